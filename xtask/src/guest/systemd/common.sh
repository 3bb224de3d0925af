# What the scripts of the guests with systemd share.
. /guest/lib.sh

# looking too often would take the one processor from what is looked at
usleep() { sleep 0.2; }
now() { cut -d ' ' -f 1 /proc/uptime; }
unit() { echo "udrvd@$1.service"; }
property() { systemctl show --value --property "$2" "$(unit "$1")"; }
died() { [ "$(property "$1" MainPID)" != "$2" ]; }
state_is() { [ "$(property "$1" ActiveState)" = "$2" ]; }
signal() { kill "-$2" "$(property "$1" MainPID)"; }
# the process that drives the device; with a standby it is not the main one
driver() { card "$1" && cat "/run/udrv/pci:$ours.lock" 2> /dev/null || echo 0; }
signal_driver() { kill "-$2" "$(driver "$1")"; }
has_standby() { card "$1" && udrvctl status "pci:$ours" | grep -q '^standby .*ready'; }
replace() { card "$1" && udrvctl upgrade "pci:$ours" --probation 1 > /dev/null; }
# is_up NAME: it runs, or the script ends
is_up() { within 120 state_is "$1" active || { systemctl status --no-pager "$(unit "$1")"; fail "$1 is not active"; }; }

# What there is of each card: its name, that of its file and unit; its address; Linux's drivers for it and for its peer; the
# peer's address; the interface; the first three numbers of both hosts' addresses.
CARDS='rtl8139 e1000'
card() {
    case $1 in
    rtl8139) ours=0000:00:04.0 linux=8139cp peer=0000:00:05.0 interface=udrv0 net=10.77.0 ;;
    e1000) ours=0000:00:06.0 linux=e1000 peer=0000:00:07.0 interface=udrv1 net=10.78.0 ;;
    esac
}

install() {
    dpkg --install /guest/udrv.deb > "/results/${1:-dpkg}.log" 2>&1 || { cat "/results/${1:-dpkg}.log"; fail "the package does not install"; }
    grep -iE 'warning|error' "/results/${1:-dpkg}.log" && fail "dpkg complains"
    return 0
}

# configure NAME: what an administrator writes: a configuration, and the address of the interface
configure() {
    card "$1"
    printf 'device = "pci:%s"\ntap = "%s"\ndeadline = 100\n' "$ours" "$interface" > "/etc/udrv/$1.toml"
    sed -e "s/udrv0/$interface/" -e "s:192.0.2.10/24:$net.1/24:" /usr/share/doc/udrv/examples/udrv0.network > "/etc/systemd/network/$interface.network"
}

# hosts: configures all cards, and has a host at this end of their cables that answers datagrams
hosts() {
    local name
    for name in $CARDS; do
        configure "$name"
    done
    systemctl restart systemd-networkd || fail "networkd does not take the example"
    netns_add far
    udrv-judge answer 0.0.0.0:7001 &
}

# far_end NAME: the card at the other end of its cable, with an address, in the namespace `far`
far_end() {
    local far
    card "$1"
    far=$(pci_interface "$peer") || exit 1
    netns_take far "$far" "$net.2/24"
}
far() { /usr/bin/ip netns exec far "$@"; }

# How much has come back of what is sent all the time, by the name of its file in /tmp.
progress() { cat "/tmp/progress-$1" 2> /dev/null || echo 0; }
goes_on() { [ "$(progress "$1")" -gt "$2" ]; }

# event NAME WHAT COMMAND...: does it, waits until what is sent all the time goes on (ENOUGH of it) and the service is active, and
# keeps what became of them.
event() {
    local name=$1 what=$2 pid restarts at active enough
    shift 2
    pid=$(driver "$name") restarts=$(property "$name" NRestarts) at=$(now)
    "$@" || fail "$name: $what: the command failed"
    # nothing is asked of systemd meanwhile: that would take the one processor from what is measured
    enough=$(($(progress "$name") + ENOUGH))
    within 180 goes_on "$name" "$enough" || { systemctl status --no-pager "$(unit "$name")"; fail "$name: $what: what is sent does not go on"; }
    case $what in kill* | watchdog | standby) [ ! -e "/proc/$pid" ] || fail "$name: $what: $pid lives" ;; esac
    is_up "$name"
    active=$(property "$name" ActiveEnterTimestampMonotonic)
    printf '{"card":"%s","what":"%s","at":%s,"active_us":%s,"over":%s,"pid":[%s,%s],"restarts":[%s,%s],"main":%s}\n' "$name" "$what" "$at" "$active" \
        "$(now)" "$pid" "$(driver "$name")" "$restarts" "$(property "$name" NRestarts)" \
        "$(property "$name" ExecMainStartTimestampMonotonic)" | tee -a /results/events
}
