
# The unit with what is no network card: a sound card over VFIO, an adapter on USB, a mouse at a PS/2 port. Each is started by udev
# because a file in /etc/udrv names it, killed in the middle of its work, stopped, and given back to Linux's driver, which works.
CARD=0000:00:08.0
FAR=10.0.2.2
HAND=/dev/virtio-ports/hand

install
modprobe -a snd-aloop snd-ens1370 vhci-hcd pegasus tun serio_raw uinput psmouse evdev || fail "a module is not there"

# row DEVICE|BUS|WHAT: one of the table, what its service has gone through
row() { echo "$*" | tee -a /results/rows; }

# killed NAME: with SIGKILL, and running again by systemd's doing
killed() {
    local pid restarts
    pid=$(property "$1" MainPID) restarts=$(property "$1" NRestarts)
    signal "$1" KILL || fail "$1: cannot be killed"
    within 120 died "$1" "$pid" || fail "$1: $pid lives"
    is_up "$1"
    [ "$(property "$1" NRestarts)" = $((restarts + 1)) ] || fail "$1: not restarted once: $(property "$1" NRestarts), was $restarts"
}

# as_udrv NAME: it runs as the user, and with no more rights than the unit gives
as_udrv() {
    local pid
    pid=$(property "$1" MainPID)
    [ "$(stat -c %U "/proc/$pid")" = udrv ] || fail "$1 does not run as udrv"
    grep -qE '^NoNewPrivs:\s*1' "/proc/$pid/status" && grep -qE '^Seccomp:\s*2' "/proc/$pid/status" || fail "$1 is not confined"
}

# started NAME: by udev, and running
started() {
    within 120 eval "state_is $1 active || state_is $1 failed"
    state_is "$1" active || { journalctl --no-pager --unit "$(unit "$1")" | tail -n 20; fail "udev has not started the service $1"; }
    as_udrv "$1"
}

stopped() {
    # first: as long as it is there, an adapter that is given back is there anew, and udev starts the service again
    rm "/etc/udrv/$1.toml"
    systemctl stop "$(unit "$1")"
    state_is "$1" inactive || fail "$1: not stopped: $(property "$1" ActiveState), $(property "$1" Result)"
    [ -z "$(ls /run/udrv/*.sock 2> /dev/null)" ] || fail "$1: a socket is left: $(ls /run/udrv)"
}

# ---- a sound card
[ "$(pci_driver $CARD)" = snd_ens1370 ] || within 10 [ "$(pci_driver $CARD)" = snd_ens1370 ] || fail "Linux's driver should have the card first"
printf 'device = "pci:%s"\nalsa = "Loopback"\ndeadline = 100\nperiod = 20\nperiods = 16\n' $CARD > /etc/udrv/sound.toml
udevadm trigger --action=change /sys/bus/pci/devices/$CARD
started sound
is_phase() { udrvctl status sound | grep "^$1 " | grep -q ", $2"; }
plays() {
    within 60 is_phase DAC2 running || { udrvctl status sound; fail "the tone is not played $1"; }
}
udrv-judge tone --until /tmp/quiet |
    aplay -q -t raw -f S16_LE -c 2 -r 44100 --buffer-time=500000 -D hw:Loopback,0,1 - > /results/aplay.log 2>&1 &
player=$!
plays "at first"
controls() { amixer -c Loopback scontrols | grep -q "'PCM'"; }
within 10 controls || fail "the loopback card does not show the chip's controls"
killed sound
plays "after SIGKILL"
within 10 controls || fail "after SIGKILL the loopback card does not show the chip's controls"
touch /tmp/quiet
wait $player || fail "the player has failed: $(cat /results/aplay.log)"
within 60 is_phase DAC2 idle || fail "the tone does not end"
stopped sound
udrvctl unbind pci:$CARD > /dev/null || fail "the sound card cannot be given back"
[ "$(pci_driver $CARD)" = snd_ens1370 ] || fail "Linux's driver does not take the sound card"
row "sound card|pci|started by udev, plays; SIGKILL: restarted, plays on; stopped; given back to snd_ens1370"

# ---- an adapter on USB, whose model is in the guest itself
udrvctl model plug-in pegasus-adm8511 --line-rate 10 > /results/plug-in.log 2>&1 &
model=$!
first=$(interface_of pegasus) || { cat /results/plug-in.log; exit 1; }
port=$(basename "$(dirname "$(readlink -f "/sys/class/net/$first/device")")")
# by its numbers, which udev's rules know too
printf 'device = "usb:07a6:8511"\ntap = "usb0"\ndeadline = 100\n' > /etc/udrv/usb.toml
udevadm trigger --action=change "/sys/bus/usb/devices/$port"
started usb
connect() {
    ip addr replace 10.0.2.15/24 dev usb0 && ip link set usb0 up || fail "no address for usb0"
    wait_link '' usb0 60
    within 60 ping -q -c 3 -i 0.2 -W 2 $FAR > /dev/null || fail "no pings over the adapter $1"
}
connect "at first"
killed usb
within 60 [ -e /sys/class/net/usb0 ] || fail "no interface after SIGKILL"
connect "after SIGKILL"
stopped usb
[ ! -e /sys/class/net/usb0 ] || fail "usb0 is left"
back=$(interface_of pegasus) || fail "Linux's driver does not take the adapter"
ip addr add 10.0.2.15/24 dev "$back" && ip link set "$back" up || fail "no address for $back"
wait_link '' "$back" 30
within 30 ping -q -c 3 -i 0.2 -W 2 $FAR > /dev/null || fail "no pings under Linux's driver"
kill $model
wait $model
row "network adapter|usb|started by udev, answers; SIGKILL: restarted, answers again; stopped; pegasus has it and works"

# ---- a mouse, moved by QEMU's monitor
[ -e $HAND ] || fail "no $HAND"
take_hand $HAND
greet
move() { send "{\"type\": \"rel\", \"data\": {\"axis\": \"x\", \"value\": $1}}"; }
port() { grep -l 'AUX' /sys/bus/serio/devices/*/description | head -n 1 | xargs -r dirname; }
driver() { [ ! -e "$(port)/driver" ] || basename "$(readlink "$(port)/driver")"; }
driver_is() { [ "$(driver)" = "$1" ]; }
our_event() { grep -l udrv /sys/devices/virtual/input/input*/phys 2> /dev/null | head -n 1 | xargs -r dirname | xargs -r -I '{}' find '{}' -maxdepth 1 -name 'event*' -printf '/dev/input/%f\n'; }
has_event() { [ -n "$(our_event)" ]; }
came() { [ "$(sum 0)" = "$1" ]; }
# moves TEXT: what the hand does comes out
moves() {
    listen "$(our_event)"
    move 7
    move 5
    within 20 came 12 || fail "of a movement of 12 came $(sum 0) $1"
    listened "$1"
}
within 20 driver_is psmouse || fail "Linux's psmouse should have the port first: $(driver)"
name=$(basename "$(port)")
mkdir -p /etc/systemd/system/udrvd@mouse.service.d
cp /usr/share/doc/udrv/examples/mouse.conf /etc/systemd/system/udrvd@mouse.service.d/ || fail "no example of a drop-in"
systemctl daemon-reload
printf 'device = "serio:%s"\nuinput = "mouse"\ndeadline = 100\n' "$name" > /etc/udrv/mouse.toml
udevadm trigger --action=change "/sys/bus/serio/devices/$name"
started mouse
within 20 has_event || fail "no input device of udrv's"
node=$(our_event)
moves at-first
killed mouse
within 20 has_event || fail "no input device after SIGKILL"
[ "$(our_event)" = "$node" ] || fail "applications have to open another device after SIGKILL: $(our_event), was $node"
moves after-SIGKILL
stopped mouse
within 20 eval '! has_event' || fail "the input device is left"
udrvctl unbind "serio:$name" > /dev/null || fail "the port cannot be given back"
within 20 driver_is psmouse || fail "psmouse does not take the port: $(driver)"
row "mouse|serio|started by udev, moves; SIGKILL: restarted, moves at the same node; stopped; given back to psmouse"

journalctl --sync
journalctl --no-pager --output=json --unit 'udrvd@*' > /results/udrvd.json
journalctl --no-pager --boot | grep '70-udrv.rules' && fail "udev has something to say about our rules"
exit 0
