
# How long a card stands still when whoever drives it dies or is restarted, in each way that there is: seen by a host at the far end
# of its cable, whose numbered datagrams come back or do not.
# A strike is an event of common.sh; TIMES of each.
. /guest/survive # TIMES
ENOUGH=60

install
hosts

# strikes NAME WHAT COMMAND...: TIMES of them
strikes() {
    local name=$1 what=$2 number
    shift 2
    for number in $(seq "$TIMES"); do
        before
        event "$name" "$what" "$@"
        # a quiet time between two, and of the starts none is to be too many
        systemctl reset-failed "$(unit "$name")" 2> /dev/null
    done
}
before() { :; }
anew() { udrvctl restart "pci:$ours" > /dev/null; }
rebound() {
    echo "$ours" > "/sys/bus/pci/drivers/$linux/unbind" && echo "$ours" > "/sys/bus/pci/drivers/$linux/bind"
}
# what the service manager keeps or not, from the next start on
keeps() {
    mkdir -p "/etc/systemd/system/$(unit "$1").d"
    printf '[Service]\nFileDescriptorStoreMax=%s\n' "$2" > "/etc/systemd/system/$(unit "$1").d/keeps.conf"
    systemctl daemon-reload
    systemctl restart "$(unit "$1")" || fail "$1 cannot be restarted"
}
flows() {
    local enough
    enough=$(($(progress "$1") + ENOUGH))
    within 120 goes_on "$1" "$enough" || fail "$1: nothing comes back $2"
}

for name in $CARDS; do
    card "$name"
    far_end "$name"
    systemctl start "$(unit "$name")" || fail "$name does not start"
    far udrv-judge ask "$net.1:7001" --until "/tmp/asked-$name" --progress "/tmp/progress-$name" > "/results/beat-$name.json" &
    asker=$!
    flows "$name" "at first"
    strikes "$name" kill signal "$name" KILL
    strikes "$name" upgrade replace "$name"
    strikes "$name" restart anew
    keeps "$name" 0
    flows "$name" "without descriptors"
    strikes "$name" kill-anew signal "$name" KILL
    echo 'standby = true' >> "/etc/udrv/$name.toml"
    keeps "$name" 64
    flows "$name" "with a standby"
    before() { within 60 has_standby "$name" || fail "$name: no standby"; }
    strikes "$name" standby signal_driver "$name" KILL
    before() { :; }
    # or udev starts it again when the card changes its driver
    rm "/etc/udrv/$name.toml"
    systemctl stop "$(unit "$name")" || fail "$name does not stop"
    # under Linux's own driver it has the same address
    sed -e "s/^Name=.*/Path=pci-$ours/" "/etc/systemd/network/$interface.network" > "/etc/systemd/network/linux-$name.network"
    systemctl restart systemd-networkd || fail "networkd does not take its file"
    udrvctl unbind "pci:$ours" > /dev/null || fail "$ours cannot be given back"
    [ "$(pci_driver "$ours")" = "$linux" ] || fail "$linux does not take $ours"
    flows "$name" "under $linux"
    # no service runs meanwhile
    is_up() { :; }
    strikes "$name" linux rebound
    is_up() { within 120 state_is "$1" active || fail "$1 is not active"; }
    touch "/tmp/asked-$name"
    wait "$asker" || fail "the datagrams of $name"
done
journalctl --sync
journalctl --no-pager --output=json --unit 'udrvd@*' > /results/udrvd.json
