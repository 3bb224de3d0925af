# A card of ours under udrvd, which is replaced by another process again and again; what it hands out is kept. At the other end of
# the cable a card of another make under Linux's own driver.
. /guest/lib.sh
. /guest/cards # OURS and PEER, PCI addresses; OUR_LINUX and PEER_LINUX, Linux's drivers for them
. /guest/bus.sh # DEVICE, and what hangs on its bus

echo "$OURS" > "/sys/bus/pci/devices/$OURS/driver/unbind"
bind_vfio "$OURS"
# what counts frames and what sends them must not lose any when the processor is another's for half a second
echo 8388608 > /proc/sys/net/core/rmem_default
echo 8388608 > /proc/sys/net/core/wmem_default
netns_add near
netns_add far
peer=$(pci_interface "$PEER") || exit 1
netns_take far "$peer" 10.77.0.2/24
peer_mac=$(ip netns exec far cat "/sys/class/net/$peer/address")
/usr/local/bin/ip netns exec far udrv-judge serve 10.77.0.2:7000 2> /results/serve.log &
serve=$!

# round NAME STREAM TASK OPTIONS...: TASK of the judge replaces udrvd while numbered frames go both ways, and with STREAM `tcp` a TCP stream that takes
# all there is; what came through is in /results/NAME-*.json.
round() {
    local name=$1 stream=$2 task=$3 ours_mac counter counter1 counter2 sender1 sender2 transfer survive
    shift 3
    rm -f /tmp/ready /tmp/done /tmp/over
    /usr/local/bin/ip netns exec near udrv-judge "$task" "$DEVICE" --tap udrv0 --ready /tmp/ready --done /tmp/done \
        --log "/results/$name-udrvd.log" "$@" > "/results/$name-task.json" 2> "/results/$name-task.log" &
    survive=$!
    within 30 [ -e /tmp/ready ] || { cat "/results/$name-task.log"; fail "$name: udrvd does not run"; }
    ip -n near addr add 10.77.0.1/24 dev udrv0 && ip -n near link set udrv0 up || fail "$name: no address for udrv0"
    wait_link near udrv0 10
    wait_link far "$peer" 10
    ours_mac=$(ip netns exec near cat /sys/class/net/udrv0/address)
    within 10 ip netns exec near udrv-judge transfer 10.77.0.2:7000 --mib 1 > /dev/null 2>&1 || fail "$name: no stream at all"
    count_frames far "$peer" "$peer_mac" "/results/$name-sent.json"
    counter1=$counter
    count_frames near udrv0 "$ours_mac" "/results/$name-received.json"
    counter2=$counter
    transfer=
    if [ "$stream" = tcp ]; then
        ip netns exec near udrv-judge transfer 10.77.0.2:7000 --mib 4 --total 4 --until /tmp/over > "/results/$name-transfer.json" &
        transfer=$!
    fi
    ip netns exec near udrv-judge send-frames udrv0 --to "$peer_mac" --rate "$RATE" --until /tmp/over > /dev/null &
    sender1=$!
    ip netns exec far udrv-judge send-frames "$peer" --to "$ours_mac" --rate "$RATE" --until /tmp/over > /dev/null &
    sender2=$!
    rm /tmp/ready
    # the judge ends for itself, at the latest when it has waited in vain
    within 240 eval '[ -e /tmp/done ] || ! kill -0 $survive 2> /dev/null'
    touch /tmp/over
    [ -z "$transfer" ] || wait "$transfer" || echo "$name: the transfer has failed"
    wait "$sender1" "$sender2"
    wait "$counter1" "$counter2"
    ip netns exec near cat /sys/class/net/udrv0/statistics/tx_dropped > "/results/$name-tap-dropped"
    rm -f /tmp/done
    wait "$survive" || { tail -n 30 "/results/$name-task.log"; fail "$name: the judge has failed"; }
    is_left_alone || fail "$name: udrvd did not leave the device alone"
    ip -n near link show udrv0 > /dev/null 2>&1 && fail "$name: udrvd left its TAP behind"
    return 0
}
