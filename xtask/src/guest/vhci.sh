# The adapter's model in the guest itself, plugged into Linux's virtual host controller: under Linux's own driver, under ours
# with faults in every entry point, and pulled out while ours has it.
. /guest/lib.sh
. /guest/vhci # MODEL, and LINUX, Linux's driver for it
FAR=10.0.2.2

# plug_in: the model into port 0. Its process is $model.
plug_in() {
    # more would fill its FIFO: here everything shares one processor
    udrvctl model plug-in "$MODEL" --line-rate 10 >> /results/plug-in.log 2>&1 &
    model=$!
}

# pings COUNT: that many come back
pings() {
    [ "$(ping -c "$1" -i 0.05 -W 5 -s 1400 "$FAR" 2> /dev/null | sed -n 's/.* \([0-9]*\) packets received.*/\1/p')" = "$1" ]
}

# echoes MIB FILE: that much comes back from the far host's TCP echo as it was
echoes() {
    dd if=/dev/urandom of="$2" bs=64k count=$(($1 * 16)) 2> /dev/null
    timeout 100 nc "$FAR" 7 < "$2" > "$2.back" && [ "$(sha256sum < "$2")" = "$(sha256sum < "$2.back")" ]
}

plug_in
first=$(interface_of "$LINUX") || { cat /results/plug-in.log; exit 1; }
port=$(basename "$(dirname "$(readlink -f "/sys/class/net/$first/device")")")
DEVICE=usb:$port
ip addr add 10.0.2.15/24 dev "$first" && ip link set "$first" up || fail "no address for $first"
wait_link "" "$first" 20
within 10 pings 5 || fail "no pings under Linux's driver"
echoes 2 /tmp/linux || fail "TCP under Linux's driver: wrong hash"
echo "under $LINUX: pings and 2 MiB of TCP come back"

udrvd run "$DEVICE" --tap udrv0 --deadline 100 > /results/udrvd.log 2>&1 &
udrvd=$!
answers() { udrvctl status > /dev/null 2>&1; }
within 20 answers || { cat /results/udrvd.log; fail "udrvd does not answer"; }
ip addr add 10.0.2.15/24 dev udrv0 && ip link set udrv0 up || fail "no address for udrv0"
wait_link "" udrv0 20
within 10 pings 20 || fail "no pings under udrvd"
echoes 2 /tmp/ours || fail "TCP under udrvd: wrong hash"

(
    while [ ! -e /tmp/storm-is-over ]; do
        echoes 1 /tmp/storm || exit 1
    done
) &
stream=$!
udrv-judge storm "$DEVICE" --done /tmp/storm-is-over > /results/storm.json || fail "the storm: $(cat /results/storm.json)"
wait "$stream" || fail "TCP in the storm: wrong hash, or none"
echo "under udrvd: 126 faults, and TCP comes back"

# pulled out, and put back
has_no_carrier() { ! link_is_up "" udrv0; }
kill "$model"
wait "$model" || fail "the model ended with an error"
within 10 has_no_carrier || fail "it is unplugged, and the interface does not say so"
answers || fail "udrvd does not answer while it is unplugged"
plug_in
wait_link "" udrv0 30
within 20 pings 5 || fail "no pings after it was plugged in again"
echoes 1 /tmp/again || fail "TCP after it was plugged in again: wrong hash"
udrvctl status | tee /results/status

kill -TERM "$udrvd"
wait "$udrvd" || fail "udrvd ended with an error"
back=$(interface_of "$LINUX") || exit 1
ip addr add 10.0.2.15/24 dev "$back" && ip link set "$back" up || fail "no address for $back"
wait_link "" "$back" 20
within 10 pings 5 || fail "no pings after it was given back"
echo "given back to $LINUX, which works"
# detached by its user, it says so
echo 0 > /sys/devices/platform/vhci_hcd.0/detach
wait "$model" || fail "the model ended with an error"
grep -q 'was detached' /results/plug-in.log || fail "not a word of it"

# not there yet, and waited for
udrvd run "$DEVICE" --wait --tap udrv1 --deadline 100 > /results/udrvd-waits.log 2>&1 &
udrvd=$!
within 10 grep -q 'waiting: there is no USB device' /results/udrvd-waits.log || fail "udrvd does not say that it waits"
plug_in
within 20 answers || { cat /results/udrvd-waits.log; fail "udrvd does not take what was waited for"; }
kill -TERM "$udrvd"
wait "$udrvd" || fail "the udrvd that has waited ended with an error"
kill "$model"
wait "$model"
echo "waited for, and taken"
