# A card of ours under udrvd, whose interface carries addresses and routes, is handed back to Linux's own driver: on request, when
# udrvd has given it up, and to a kernel that has no driver for it. A ping to the far end of the cable goes on.
. /guest/lib.sh
. /guest/cards # OURS and PEER, PCI addresses; OUR_LINUX and PEER_LINUX, Linux's drivers for them
. /guest/bus.sh # DEVICE, and what hangs on its bus

mkdir -p /etc/udrv
printf 'device = "%s"\ntap = "udrv0"\nhand-back = true\nrestarts = 1\ndeadline = 10000\n' "$DEVICE" > /etc/udrv/lan.toml
mark=/run/udrv-handed-back/$DEVICE
netns_add far
peer=$(pci_interface "$PEER") || exit 1
netns_take far "$peer" 10.77.0.2/24
ip -n far addr add 2001:db8::2/64 dev "$peer" nodad && ip -n far addr add 192.0.2.1/32 dev lo || fail "no addresses for the peer"

answers() { ping -c 1 -W 5 "$1" > /dev/null 2>&1; }
replies() { grep -c 'bytes from' /results/ping.log; }
more_replies() { [ "$(replies)" -gt "$1" ]; }
# the interface comes after the socket, and before the device serves it
runs() { [ -e /sys/class/net/udrv0 ] && udrvctl status "$DEVICE" > /dev/null 2>&1; }

# start: udrvd in the background, and on its interface what an administrator puts there.
start() {
    udrvd run --config /etc/udrv/lan.toml >> /results/udrvd.log 2>&1 &
    daemon=$!
    within 120 runs || { tail -n 5 /results/udrvd.log; fail "udrvd does not run"; }
    ip link set udrv0 mtu 1400 up || fail "no udrv0"
    ip addr add 10.77.0.1/24 broadcast + dev udrv0 && ip addr add 2001:db8::1/64 dev udrv0 nodad || fail "no addresses"
    ip route add 192.0.2.0/24 via 10.77.0.2 dev udrv0 src 10.77.0.1 metric 7 || fail "no route"
    ip route add default via 10.77.0.2 dev udrv0 table 12 || fail "no route in table 12"
    ip -6 route add 2001:db8:5::/48 via 2001:db8::2 dev udrv0 || fail "no route of IPv6"
    wait_link '' udrv0 120
    within 120 answers 192.0.2.1 || fail "the far end does not answer"
}

# carried INTERFACE: all that, as ip(8) tells it.
carried() {
    ip -o addr show dev "$1" | grep -v fe80 | tr -s ' ' | cut -d ' ' -f 3- | sed -e "s/$1/IF/g" -e 's/ nodad//'
    ip route show table all dev "$1" | grep -v fe80 | sed -e 's/ linkdown//' -e 's/ *$//' | sort
    ip -o link show dev "$1" | grep -o 'mtu [0-9]*'
}

# is_over NAME: Linux's own driver has all of it, and the ping has not been told anything.
is_over() {
    local before
    [ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] || fail "$1: $(pci_driver "$OURS") has the card"
    interface=$(pci_interface "$OURS") || exit 1
    [ ! -e /sys/class/net/udrv0 ] || fail "$1: udrv0 is left"
    wait_link '' "$interface" 120
    carried "$interface" > "/results/$1-after"
    cmp "/results/$1-before" "/results/$1-after" || { diff "/results/$1-before" "/results/$1-after"; fail "$1: not all has moved"; }
    before=$(replies)
    within 120 more_replies $((before + 2)) || fail "$1: the ping does not go on"
    [ -e "$mark" ] || fail "$1: the card is not marked"
}

# take: from Linux's own driver again, which has addresses by now.
take() {
    udrvctl bind "$DEVICE" 2> /results/refusal && fail "a card that carries addresses is taken"
    grep -q 10.77.0.1 /results/refusal || fail "the refusal does not say why: $(cat /results/refusal)"
    udrvctl bind --force "$DEVICE" > /dev/null || fail "the card cannot be taken"
    [ ! -e "$mark" ] || fail "the mark stays"
}

bind_vfio "$OURS"
start
# one after the other: busybox's ends itself when there is no route for a moment
while :; do ping -c 1 -W 3 192.0.2.1 || usleep 200000; done > /results/ping.log 2>&1 &
within 120 more_replies 2 || fail "no ping"

# ---- on request
carried udrv0 > /results/request-before
udrvctl --json hand-back "$DEVICE" --dry-run > /results/dry-run.json || fail "no dry run"
[ "$(pci_driver "$OURS")" = vfio-pci ] && kill -0 "$daemon" && [ ! -e "$mark" ] || fail "a dry run has changed something"
udrvctl --json hand-back "$DEVICE" > /results/hand-back.json || fail "not handed back: $(cat /results/hand-back.json)"
wait "$daemon" || fail "udrvd ended with $?"
is_over request
udrvctl hand-back "$DEVICE" | grep already || fail "twice is not as once"
echo "handed back on request: $interface goes on"

# ---- given up
take
start
carried udrv0 > /results/given-up-before
udrvctl inject "$DEVICE" probe panic --times 1000 > /dev/null || fail "no fault"
udrvctl restart "$DEVICE" > /dev/null 2>&1 && fail "it restarts"
wait "$daemon"
code=$?
[ "$code" = 5 ] || fail "udrvd that gave up ended with $code"
[ -f "/run/udrv/$DEVICE.given-up" ] || fail "no note"
EXIT_STATUS=1 udrvctl hand-back --given-up --config /etc/udrv/lan.toml | grep 'not handed back' || fail "handed back for another ending"
EXIT_STATUS=5 udrvctl --json hand-back --given-up --config /etc/udrv/lan.toml > /results/given-up.json || fail "not handed back: $(cat /results/given-up.json)"
is_over given-up
[ ! -e "/run/udrv/$DEVICE.given-up" ] || fail "the note is left"
echo "handed back when it was given up: $interface goes on"

# ---- to a kernel that has no driver
take
start
rmmod "$OUR_LINUX" || fail "the module stays"
udrvctl --json hand-back "$DEVICE" > /results/nobody.json 2> /results/nobody
code=$?
[ "$code" = 6 ] || fail "a kernel without a driver: exit code $code: $(cat /results/nobody)"
[ "$(pci_driver "$OURS")" = vfio-pci ] && [ ! -e "$mark" ] || fail "not as it was: $(cat /results/nobody)"
wait "$daemon"
start
kill "$daemon"
wait "$daemon"
echo "not taken by a kernel without a driver, and ours as before"
