# The package, its units and its rules under a real systemd, with two cards of ours, each at the end of a cable whose other end is a
# card of another make under Linux's own driver.

# ---- the package: it installs cleanly, enables nothing, starts nothing, binds nothing
install
systemctl list-unit-files --no-legend 'udrv*' | tee /results/unit-files
grep -qvE '^udrvd(@\.service +disabled +enabled|-hand-back@\.service +static +-|-modules\.service +static +-)$' /results/unit-files && fail "a unit is not as it must be"
[ -z "$(systemctl list-units --all --no-legend 'udrv*')" ] || fail "something was started"
for name in $CARDS; do
    card "$name"
    [ "$(pci_driver "$ours")" = "$linux" ] || fail "$ours is no more Linux's"
done
systemd-analyze verify --man=no /usr/lib/systemd/system/udrvd@.service > /results/verify 2>&1
[ ! -s /results/verify ] || { cat /results/verify; fail "systemd-analyze verify has something to say"; }
echo "installed: nothing enabled, nothing started, nothing bound"

# ---- what an administrator does: files
[ -d /etc/udrv ] || fail "the package has made no /etc/udrv"
hosts
for name in $CARDS; do
    far_end "$name"
    far udrv-judge echo-serve "$net.2:7000" 2>> /results/echo.log &
done

# ---- udev starts them: the one at an event of a device that is there, the other when it is plugged in
card rtl8139
udevadm trigger --action=change "/sys/bus/pci/devices/$ours"
card e1000
echo 1 > "/sys/bus/pci/devices/$ours/remove"
echo 1 > /sys/bus/pci/rescan
for name in $CARDS; do
    card "$name"
    within 120 state_is "$name" active || { systemctl status --no-pager "$(unit "$name")"; fail "udev has not started $name"; }
    [ "$(pci_driver "$ours")" = vfio-pci ] || fail "$ours is not bound"
    pid=$(property "$name" MainPID)
    [ "$(stat -c %U "/proc/$pid")" = udrv ] || fail "$name does not run as udrv"
    grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr -s '\t\n' ' ' > "/results/rights-$name"
    wait_link '' "$interface" 60
done
echo "started by udev"

for name in $CARDS; do
    card "$name"
    within 60 ping -c 1 -W 1 "$net.2" > /dev/null || { journalctl -b --no-pager | tail -30; fail "nobody answers at $net.2"; }
done

# ---- killed while numbered datagrams go both ways and nothing else: the rings have room for what comes meanwhile
# slowly: a machine that is busy must not be what fills a ring
ENOUGH=20
for name in $CARDS; do
    card "$name"
    far udrv-judge ask "$net.1:7001" --until "/tmp/asked-$name" --progress "/tmp/progress-$name" --every 25000 > "/results/beat-$name.json" &
    asker=$!
    within 60 goes_on "$name" 10 || fail "nobody answers at $net.1"
    for number in 1 2 3; do
        event "$name" kill-beats signal "$name" KILL
    done
    touch "/tmp/asked-$name"
    wait "$asker" || fail "the datagrams of $name"
    rm "/tmp/progress-$name"
    # of the kills to come none is to be too many
    systemctl reset-failed "$(unit "$name")"
done

# ---- all that can happen while one TCP connection goes on
ENOUGH=300000
for name in $CARDS; do
    card "$name"
    udrv-judge flow "$net.2:7000" --until /tmp/over --progress "/tmp/progress-$name" > "/results/flow-$name.json" &
    eval "flow_$name=\$!"
    within 60 goes_on "$name" 300000 || fail "the flow of $name does not begin"
done

crash() {
    card "$1"
    udrvctl inject "pci:$ours" transmit null-write > /dev/null
}
reload() {
    sed -i 's/^deadline = .*/deadline = 200/' "/etc/udrv/$1.toml"
    systemctl reload "$(unit "$1")"
}
# a year on, two back, and where it was
jump() {
    local year=$((365 * 24 * 3600)) by
    for by in "$year" "-$((2 * year))" "$year"; do
        date --set "@$(($(date +%s) + by))" > /dev/null || fail "the clock cannot be set"
    done
}
# is quiet: no process, no socket, no interface, no bus master
off_and_on() {
    card "$1"
    systemctl stop "$(unit "$1")"
    state_is "$1" inactive || fail "$1: not stopped"
    [ ! -e "/run/udrv/pci:$ours.sock" ] || fail "$1: its socket is left"
    [ ! -e "/sys/class/net/$interface" ] || fail "$1: $interface is left"
    [ $((0x$(dd if="/sys/bus/pci/devices/$ours/config" bs=1 skip=4 count=1 2> /dev/null | od -An -tx1 | tr -d ' ') & 4)) = 0 ] || fail "$1: still masters the bus"
    systemctl start "$(unit "$1")"
}

for name in $CARDS; do
    event "$name" crash crash "$name"
    event "$name" hup reload "$name"
    event "$name" clock jump
    event "$name" package install "package-$name"
    for number in 1 2; do
        event "$name" upgrade replace "$name"
    done
    for number in 1 2; do
        event "$name" kill signal "$name" KILL
    done
    event "$name" watchdog signal "$name" STOP
    echo 'standby = true' >> "/etc/udrv/$name.toml"
    event "$name" restart systemctl restart "$(unit "$name")"
    for number in 1 2; do
        within 60 has_standby "$name" || fail "$name: no standby"
        event "$name" standby signal_driver "$name" KILL
    done
    within 60 has_standby "$name" || fail "$name: no standby for an upgrade"
    event "$name" upgrade replace "$name"
    # the main process drives nothing: with it all go, and the next go on with what is kept
    event "$name" kill-all signal "$name" KILL
    event "$name" stop off_and_on "$name"
done
touch /tmp/over
for name in $CARDS; do
    eval "wait \$flow_$name" || fail "the flow of $name: $(cat "/results/flow-$name.json")"
done

. /guest/hand_back.sh

# ---- mistakes
journalctl --sync
printf 'device = "pci:0000:00:04.0"\ntapp = "x"\n' > /etc/udrv/wrong.toml
systemctl start udrvd@wrong.service 2> /dev/null && fail "a wrong key starts"
[ "$(property wrong NRestarts)" = 0 ] || fail "a wrong configuration is tried again"
printf 'device = "pci:0000:00:04.0"\ntap = "other"\n' > /etc/udrv/wrong.toml
systemctl reset-failed udrvd@wrong.service
systemctl start udrvd@wrong.service 2> /dev/null && fail "two have one device"
systemctl stop udrvd@wrong.service
rm /etc/udrv/wrong.toml
state_is rtl8139 active || fail "a second service has harmed the first"
journalctl --sync
journalctl --no-pager --output=json --unit 'udrvd@*' > /results/udrvd.json

journalctl --no-pager --boot | grep '70-udrv.rules' && fail "udev has something to say about our rules"

# ---- away again
dpkg --remove udrv > /results/remove.log 2>&1 || fail "the package cannot be removed"
for name in $CARDS; do
    card "$name"
    [ -z "$(pgrep -x udrvd)" ] || fail "udrvd runs on"
    [ -e "/etc/udrv/$name.toml" ] || fail "the administrator's file is gone"
done
dpkg --purge udrv >> /results/remove.log 2>&1 || fail "the package cannot be purged"
[ ! -e /usr/lib/udrv ] && [ ! -e /var/lib/udrv ] || fail "something is left"
echo "removed: stopped, and the administrator's files are there"
