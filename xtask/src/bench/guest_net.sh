# net-bench: one card under Linux's own driver and under udrvd in three ways, in turn; the other end of the cable is a card
# under Linux's driver. All rows of a round are measured in the same guest, one after the other.
. /guest/lib.sh
. /guest/cards # OURS and PEER, the PCI addresses; OUR_LINUX, Linux's driver for ours
. /guest/bench # ROUNDS, SECONDS_EACH

DEVICE=pci:$OURS
NEAR=10.78.0.1
FAR=10.78.0.2

netns_add near
netns_add far
peer=$(pci_interface "$PEER") || exit 1
netns_take far "$peer" $FAR/24
/usr/local/bin/ip netns exec far udrv-judge speed-serve $FAR:7000 &
far_serve=$!
# only somebody who is there to be looked through
/usr/local/bin/ip netns exec near udrv-judge speed-serve 127.0.0.1:7000 &
near_serve=$!
peer_mac=$(ip netns exec far cat "/sys/class/net/$peer/address")

# measure INTERFACE FILE: all that is measured of one row
measure() {
    local mac
    wait_link near "$1" 15
    wait_link far "$peer" 15
    mac=$(ip netns exec near cat "/sys/class/net/$1/address")
    within 15 ip netns exec near ping -c 1 -W 1 $FAR > /dev/null 2>&1 || fail "$1 does not reach the far host"
    ip netns exec near udrv-judge speed $FAR:7000 --seconds "$SECONDS_EACH" > "/results/$2.tcp" || fail "speed of $2"
    ip netns exec near udrv-judge flood "$1" --to "$peer_mac" --seconds "$SECONDS_EACH" \
        --counter "/proc/$far_serve/root/sys/class/net/$peer/statistics/rx_packets" > "/results/$2.sent" ||
        fail "flood of $2, sent"
    ip netns exec far udrv-judge flood "$peer" --to "$mac" --seconds "$SECONDS_EACH" \
        --counter "/proc/$near_serve/root/sys/class/net/$1/statistics/rx_packets" > "/results/$2.received" ||
        fail "flood of $2, received"
}

# under_linux ROUND: the card under Linux's own driver
under_linux() {
    local interface
    unbind_vfio "$OURS" "$OUR_LINUX"
    interface=$(pci_interface "$OURS") || exit 1
    netns_take near "$interface" $NEAR/24
    measure "$interface" "linux.$1"
    ip -n near link set "$interface" netns 1
}

answers() { udrvctl status > /dev/null 2>&1; }

# under_udrv ROW ROUND PROTECT: the card under udrvd
under_udrv() {
    local udrvd
    /usr/local/bin/ip netns exec near udrvd run "$DEVICE" --tap udrv0 --deadline 400 --protect "$3" > "/results/$1.$2.log" 2>&1 &
    udrvd=$!
    within 20 answers || { cat "/results/$1.$2.log"; fail "udrvd does not answer"; }
    ip -n near addr add $NEAR/24 dev udrv0 && ip -n near link set udrv0 up || fail "no address for udrv0"
    measure udrv0 "$1.$2"
    udrvctl --json status > "/results/$1.$2.status"
    kill -TERM "$udrvd"
    wait "$udrvd" || fail "udrvd ($1) ended with an error"
}

round=0
while [ $round -lt "$ROUNDS" ]; do
    under_linux $round
    bind_vfio "$OURS"
    under_udrv all $round always
    under_udrv non-io $round always,transmit=never,interrupt=never,poll=never
    under_udrv none $round never
    round=$((round + 1))
    echo "round $round of $ROUNDS"
done
kill "$far_serve" "$near_serve"
