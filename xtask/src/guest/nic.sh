# A card of ours under udrvd; at the other end of the cable a card of another make under Linux's own driver.
. /guest/lib.sh
. /guest/cards # LEAST_MIB, what a stream must move at least; PIECE_MIB, LOAD and FRAMES, how the judge loads it; OURS and PEER, PCI addresses; OUR_LINUX and PEER_LINUX, Linux's drivers for them

. /guest/bus.sh # DEVICE, and what hangs on its bus

echo "refusals:"
refuse_and_take
refused 'longer than 15 bytes' udrvd run "$DEVICE" --tap much-too-long-a-name
is_left_alone || fail "a refused start did not leave the device alone"

netns_add near
netns_add far
peer=$(pci_interface "$PEER") || exit 1
netns_take far "$peer" 10.77.0.2/24

/usr/local/bin/ip netns exec near udrvd run "$DEVICE" --tap udrv0 --interrupts auto ${JUMBO:+--mtu "$JUMBO"} --deadline 100 > /results/udrvd.log 2>&1 &
udrvd=$!
answers() { udrvctl status > /dev/null 2>&1; }
within 20 answers || { cat /results/udrvd.log; fail "udrvd does not answer"; }
# packet buffers are large enough for what comes later, and it begins with the usual
ip -n near link set udrv0 mtu 1500 || fail "no MTU of 1500"
ip -n near addr add 10.77.0.1/24 dev udrv0 && ip -n near link set udrv0 up || fail "no address for udrv0"
wait_link near udrv0 10
wait_link far "$peer" 10
refused 'another daemon' udrvd run "$DEVICE"
udrvctl status | tee /results/status-before

ours_mac=$(ip netns exec near cat /sys/class/net/udrv0/address)
peer_mac=$(ip netns exec far cat "/sys/class/net/$peer/address")
/usr/local/bin/ip netns exec far udrv-judge serve 10.77.0.2:7000 2> /results/serve.log &
serve=$!

# a first exchange, without faults: the baseline of the same run
within 10 ip netns exec near udrv-judge transfer 10.77.0.2:7000 --mib 1 > /dev/null 2>&1 || fail "no stream at all"
count_frames near udrv0 "$ours_mac" /results/baseline-frames.json
counter0=$counter
ip netns exec far udrv-judge send-frames "$peer" --to "$ours_mac" $FRAMES --until /tmp/baseline-is-over > /dev/null &
sender0=$!
ip netns exec near udrv-judge transfer 10.77.0.2:7000 --mib 8 $LOAD > /results/baseline.json || fail "baseline transfer"
touch /tmp/baseline-is-over
wait "$sender0"
wait "$counter0" || fail "the frame counter of the baseline"

count_frames far "$peer" "$peer_mac" /results/frames-sent.json
counter1=$counter
count_frames near udrv0 "$ours_mac" /results/frames-received.json
counter2=$counter
ip netns exec near udrv-judge transfer 10.77.0.2:7000 $LOAD --mib "$PIECE_MIB" --total "$LEAST_MIB" --until /tmp/storm-is-over > /results/transfer.json &
transfer=$!
ip netns exec near udrv-judge send-frames udrv0 --to "$peer_mac" $FRAMES --until /tmp/transfer-is-over > /results/sender1.json &
sender1=$!
ip netns exec far udrv-judge send-frames "$peer" --to "$ours_mac" $FRAMES --until /tmp/transfer-is-over > /results/sender2.json &
sender2=$!

udrv-judge storm "$DEVICE" --done /tmp/storm-is-over > /results/storm.json
storm_status=$?
wait "$transfer"
transfer_status=$?
touch /tmp/transfer-is-over
wait "$sender1" "$sender2"
wait "$counter1"
counter1_status=$?
wait "$counter2"
counter2_status=$?

# pings COUNT BYTES ADDRESS: that many come back
pings() {
    [ "$(ip netns exec near ping -c "$1" -i 0.05 -W 5 -s "$2" "$3" 2> /dev/null | sed -n 's/.* \([0-9]*\) packets received.*/\1/p')" = "$1" ]
}
mtu_is() { [ "$(ip netns exec near cat /sys/class/net/udrv0/mtu)" = "$1" ]; }

# the MTU of the interface reaches the chip, and one that it does not have is set back with a word in the log
if [ -n "$JUMBO" ]; then
    ip -n far link set "$peer" mtu "$JUMBO" && ip -n near link set udrv0 mtu "$JUMBO" || fail "no MTU of $JUMBO"
    within 10 pings 5 $((JUMBO - 28)) 10.77.0.2 || fail "frames of MTU $JUMBO do not come back"
    udrvctl restart "$DEVICE" && within 15 pings 20 $((JUMBO - 28)) 10.77.0.2 || fail "nor after a restart"
    ip netns exec near udrv-judge transfer 10.77.0.2:7000 --mib 4 > /results/jumbo.json || fail "transfer with MTU $JUMBO"
    mtu_is "$JUMBO" || fail "the MTU was set back"
    echo "MTU $JUMBO: $(cat /results/jumbo.json)"
fi
before=$(ip netns exec near cat /sys/class/net/udrv0/mtu)
ip -n near link set udrv0 mtu 20000
within 10 mtu_is "$before" || fail "an MTU of 20000 stays"
[ "$(grep -c 'MTU 20000 is not possible' /results/udrvd.log)" = 1 ] || fail "not one word about MTU 20000"

udrvctl --json faults > /results/faults.json
udrvctl faults > /results/faults
udrvctl status | tee /results/status-after
interrupts > /results/interrupts
unplug_and_replug

ip netns exec near cat /sys/class/net/udrv0/statistics/tx_dropped > /results/tap-dropped

kill -TERM "$udrvd"
wait "$udrvd"
udrvd_status=$?
kill "$serve"
is_left_alone || fail "udrvd did not leave the device alone"
ip -n near link show udrv0 > /dev/null 2>&1 && fail "udrvd left its TAP behind"
[ -e "/run/udrv/$DEVICE.sock" ] && fail "udrvd left its control socket behind"

[ "$storm_status" = 0 ] || fail "the storm: status $storm_status"
[ "$transfer_status" = 0 ] || fail "the transfer: status $transfer_status"
[ "$counter1_status$counter2_status" = 00 ] || fail "the frame counters: $counter1_status $counter2_status"
[ "$udrvd_status" = 0 ] || fail "udrvd ended with status $udrvd_status"

refused '68 to' udrvd run "$DEVICE" --mtu 20000
[ -n "$VLAN" ] || refused 'ip link add' udrvd run "$DEVICE" --vlan 77

# again, from where the first one left the card, and on another name: a clean stop leaves nothing that hinders
/usr/local/bin/ip netns exec near udrvd run "$DEVICE" --tap again%d ${VLAN:+--vlan "$VLAN"} --deadline 100 > /results/udrvd-again.log 2>&1 &
udrvd=$!
within 20 answers || { cat /results/udrvd-again.log; fail "udrvd does not answer again"; }
# in a VLAN whose tags it does not see, with a host that sees them
if [ -n "$VLAN" ]; then
    ip -n far link add link "$peer" name vlan type vlan id "$VLAN" && ip -n far addr add 10.78.0.2/24 dev vlan &&
        ip -n far link set vlan up || fail "no VLAN at the far end"
    ip -n near addr add 10.78.0.1/24 dev again0 && ip -n near addr add 10.77.0.1/24 dev again0 &&
        ip -n near link set again0 up || fail "no address for again0"
    within 10 pings 5 1472 10.78.0.2 || fail "nobody in VLAN $VLAN"
    udrvctl restart "$DEVICE" && within 15 pings 20 1472 10.78.0.2 || fail "nor after a restart"
    pings 1 56 10.77.0.2 && fail "frames go out of VLAN $VLAN"
    echo "VLAN $VLAN: pings come back in it, and not beside it"
fi
kill -INT "$udrvd"
wait "$udrvd" || fail "the second udrvd did not stop cleanly"

# packets instead of frames: the far host asks who has our address, and udrvd answers
/usr/local/bin/ip netns exec near udrvd run "$DEVICE" --tun packets0 --neighbour "$(ip netns exec far cat "/sys/class/net/$peer/address")" \
    --interrupts line --deadline 100 > /results/udrvd-tun.log 2>&1 &
udrvd=$!
within 20 answers || { cat /results/udrvd-tun.log; fail "udrvd does not answer with a TUN"; }
ip -n near addr add 10.77.0.1/24 dev packets0 && ip -n near link set packets0 up || fail "no address for packets0"
ip -n far neigh flush dev "$peer"
within 10 pings 5 1472 10.77.0.2 || fail "nobody behind the TUN"
ip -n far neigh show 10.77.0.1 | grep -q lladdr || fail "the far host has not learned our address"
interrupts > /results/interrupts-line
kill -INT "$udrvd"
wait "$udrvd" || fail "the udrvd with a TUN did not stop cleanly"
echo "a TUN: pings come back, and the far host has found us"

back_again
