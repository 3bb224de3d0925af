# Linux's own driver on our model: each check is a file of its own in /results that begins with pass or FAIL.
. /guest/lib.sh
. /guest/oracle
FAR=10.0.2.2
uname -r > /results/release

# result CHECK STATUS TEXT...
result() {
    local check=$1 status=$2
    shift 2
    if [ "$status" -eq 0 ]; then echo "pass $*"; else echo "FAIL $*"; fi > "/results/$check"
}

# pings COUNT BYTES: prints how many came back
pings() {
    ping -c "$1" -i 0.05 -W 5 -s "$2" "$FAR" 2> /dev/null | sed -n 's/.* \([0-9]*\) packets received.*/\1/p'
}

up() {
    ip link set "$INTERFACE" up && within 20 link_is_up "" "$INTERFACE"
}

# a few pings that fail the whole if they do not come back
works() {
    [ "$(pings 5 56)" = 5 ]
}

INTERFACE=$(pci_interface "$CARD") && [ "$(pci_driver "$CARD")" = "$MODULE" ]
result bound $? "$(pci_driver "$CARD") made $INTERFACE"
address=$(cat "/sys/class/net/$INTERFACE/address")
[ "$address" = 52:54:00:12:34:56 ]
result address $? "$address"
ip addr add 10.0.2.15/24 dev "$INTERFACE"
up
result link $? "carrier $(cat "/sys/class/net/$INTERFACE/carrier"), $(cat "/sys/class/net/$INTERFACE/speed") Mbit/s"

got=$(pings 20 1400)
[ "$got" = 20 ]
result ping $? "$got of 20"

lost=
for length in $(seq 0 60); do
    [ "$(pings 1 "$length")" = 1 ] || lost="$lost $length"
done
[ -z "$lost" ]
result short-pings $? "${lost:+lost:$lost}"

dd if=/dev/urandom of=/tmp/data bs=64k count=64 2> /dev/null
begin=$(cut -d ' ' -f 1 /proc/uptime)
timeout 100 nc "$FAR" 7 < /tmp/data > /tmp/back
cmp -s /tmp/data /tmp/back && [ "$(sha256sum < /tmp/data)" = "$(sha256sum < /tmp/back)" ]
result tcp $? "$(wc -c < /tmp/back) bytes back, from $begin s to $(cut -d ' ' -f 1 /proc/uptime) s"

statistic() {
    cat "/sys/class/net/$INTERFACE/statistics/$1"
}
# A machine that is busy lets the ring run full: that is Linux's to count, and then there are missed frames as well.
errors=0 said=
room="rx_errors=$(statistic rx_errors) rx_missed=$(statistic rx_missed_errors)"
[ "$(statistic rx_errors)" -eq 0 ] || [ "$(statistic rx_missed_errors)" -gt 0 ] || errors=1
for counter in tx_errors rx_crc_errors rx_length_errors rx_frame_errors tx_aborted_errors tx_carrier_errors \
    tx_fifo_errors tx_window_errors tx_dropped collisions; do
    count=$(statistic "$counter")
    [ "$count" -eq 0 ] || errors=1 said="$said $counter=$count"
done
# 4 MiB each way in frames of at most 1,460 bytes of data, and the pings
[ "$errors" -eq 0 ] && [ "$(statistic rx_packets)" -gt 2900 ] && [ "$(statistic tx_packets)" -gt 2900 ] &&
    [ "$(statistic rx_bytes)" -gt 4194304 ] && [ "$(statistic tx_bytes)" -gt 4194304 ]
result statistics $? "rx $(statistic rx_packets) frames, tx $(statistic tx_packets) frames, $room$said"

ip link set "$INTERFACE" down && up && works
result again $? ""

rmmod "$MODULE" && insmod "/guest/modules/$MODULE.ko" && INTERFACE=$(pci_interface "$CARD") &&
    ip addr add 10.0.2.15/24 dev "$INTERFACE" && up && works
result reload $? ""
ip addr show > /results/interfaces
cat /proc/interrupts > /results/interrupts
exit 0
