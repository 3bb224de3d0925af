
# Linux's own driver on our model of a network card.
FAR=10.0.2.2

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

INTERFACE=$(interface_of "$MODULE")
result bound $? "$MODULE made $INTERFACE"
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

if [ "$BUS" = pci ]; then
    line=$(grep -w "$INTERFACE" /proc/interrupts)
    case $line in *PCI-MSI*) kind=MSI ;; *) kind=INTx ;; esac
    # one processor or more: a column of counts each
    count=$(echo "$line" | sed 's/^ *[0-9]*: *//' | tr -s ' ' '\n' | sed -n '/^0*[1-9][0-9]*$/p' | head -n 1)
    [ -n "$count" ]
    result interrupts $? "${count:-none} by $kind"
else
    none interrupts "those are the host controller's"
fi

statistic() {
    cat "/sys/class/net/$INTERFACE/statistics/$1"
}
# A machine that is busy lets the ring run full: the chip says so, Linux counts it, and nothing else may be wrong.
errors=
full=$(($(statistic rx_fifo_errors) + $(statistic rx_over_errors)))
# 8139too counts an overflow that its poll acknowledges as an error and as nothing else: some frame was missed for each
missed=$(statistic rx_missed_errors)
[ "$(statistic rx_errors)" -le $((full + missed)) ] || errors=" rx_errors=$(statistic rx_errors)"
for counter in rx_crc_errors rx_length_errors rx_frame_errors rx_dropped tx_errors tx_aborted_errors tx_carrier_errors \
    tx_fifo_errors tx_window_errors tx_dropped collisions; do
    count=$(statistic "$counter")
    [ "$count" -eq 0 ] || errors="$errors $counter=$count"
done
full="$full overflows, $missed frames missed"
# 4 MiB each way in frames of at most 1,460 bytes of data, and the pings
[ -z "$errors" ] && [ "$(statistic rx_packets)" -gt 2900 ] && [ "$(statistic tx_packets)" -gt 2900 ] &&
    [ "$(statistic rx_bytes)" -gt 4194304 ] && [ "$(statistic tx_bytes)" -gt 4194304 ]
result statistics $? "rx $(statistic rx_packets) frames, tx $(statistic tx_packets) frames, $full$errors"

# chip_statistic NAME: what the driver has read out of the chip
chip_statistic() {
    ethtool -S "$INTERFACE" | sed -n "s/^ *$1: //p"
}
# The chip has counted what Linux has. e1000's driver asks it every two seconds.
counts_agree() {
    [ "$(chip_statistic rx_packets)" = "$(statistic rx_packets)" ] &&
        [ "$(chip_statistic tx_packets)" = "$(statistic tx_packets)" ]
}
if [ -n "$(chip_statistic rx_packets)" ]; then
    within 10 counts_agree
    result counters $? "rx $(chip_statistic rx_packets), tx $(chip_statistic tx_packets)"
else
    none counters "this driver asks the chip for none"
fi

if ethtool -e "$INTERFACE" length 6 > /tmp/eeprom 2>&1; then
    [ "$(sed -n 's/^0x0000:[[:space:]]*//p' /tmp/eeprom | tr -s ' ' | sed 's/ *$//')" = "52 54 00 12 34 56" ]
    result eeprom $? "$(tail -n 1 /tmp/eeprom)"
else
    none eeprom "this driver shows none"
fi

# speed_is MBIT
speed_is() {
    link_is_up "" "$INTERFACE" && [ "$(cat "/sys/class/net/$INTERFACE/speed")" = "$1" ]
}
# a driver that looks at the link now and then sees it up while it is negotiated anew
speed=$(cat "/sys/class/net/$INTERFACE/speed")
ethtool -s "$INTERFACE" autoneg off speed 10 duplex full > /tmp/forced 2>&1 && within 20 speed_is 10 && within 20 works &&
    ethtool -s "$INTERFACE" autoneg on > /tmp/forced 2>&1 && within 20 speed_is "$speed" && within 20 works
result forced $? "$(cat /tmp/forced) $(cat "/sys/class/net/$INTERFACE/speed") Mbit/s in the end"

ethtool -t "$INTERFACE" offline > /tmp/selftest 2>&1
status=$?
if grep -q "The test result" /tmp/selftest; then
    within 20 works
    result selftest $((status + $?)) "$(sed -n '2,$p' /tmp/selftest | tr -s '\n\t ' ' ')"
else
    none selftest "this driver has none"
fi

ip link set "$INTERFACE" down && up && works
result again $? ""

rmmod "$MODULE" && insmod "/guest/modules/$MODULE.ko" && INTERFACE=$(interface_of "$MODULE") &&
    ip addr add 10.0.2.15/24 dev "$INTERFACE" && up && works
result reload $? ""
ip addr show > /results/interfaces
cat /proc/interrupts > /results/proc-interrupts
exit 0
