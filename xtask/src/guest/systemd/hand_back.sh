# Part of service.sh: a card that udrvd gives up goes to Linux's own driver, with what its interface carries, and stays there.
# With systemd-networkd, which gives the first interface its address, and knows nothing of the second.

given_back() { [ "$(pci_driver "$ours")" = "$linux" ]; }
handed_back() { [ "$(systemctl show --value --property Result udrvd-hand-back@e1000.service)" = success ] && state_of_hand_back; }
state_of_hand_back() { [ "$(systemctl show --value --property ExecMainExitTimestampMonotonic udrvd-hand-back@e1000.service)" != 0 ] && [ "$(systemctl is-active udrvd-hand-back@e1000.service)" = inactive ]; }

# all_moved WHEN: Linux's interface has what ours carried, and its far end answers.
all_moved() {
    back=$(pci_interface "$ours") || exit 1
    ip -o addr show dev "$back" | grep -q " $net.1/24 " || fail "hand-back, $1: the address has not moved"
    ip route show dev "$back" | grep -q "^192.0.2.0/24 via $net.2 .*metric 7" || fail "hand-back, $1: the route has not moved"
    within 60 ping -c 1 -W 1 "$net.2" > /dev/null || fail "hand-back, $1: no answer afterwards"
}

card e1000
printf 'hand-back = true\nrestarts = 1\n' >> /etc/udrv/e1000.toml
systemctl restart udrvd@e1000.service || fail "hand-back: not started again"
wait_link '' "$interface" 60
within 60 ping -c 1 -W 1 "$net.2" > /dev/null || fail "hand-back: no answer before"
ip route add 192.0.2.0/24 via "$net.2" dev "$interface" metric 7 || fail "hand-back: no route"
udrvctl inject "pci:$ours" probe panic --times 1000 > /dev/null || fail "hand-back: no fault"
udrvctl restart "pci:$ours" > /dev/null 2>&1 && fail "hand-back: it restarts"
within 120 handed_back || { journalctl --no-pager -b -u udrvd@e1000 -u udrvd-hand-back@e1000 | tail -20; fail "hand-back: nothing was done"; }
given_back || fail "hand-back: $(pci_driver "$ours") has the card"
state_is e1000 failed || fail "hand-back: the unit is not failed"
[ "$(property e1000 ExecMainStatus)" = 5 ] || fail "hand-back: udrvd ended with $(property e1000 ExecMainStatus)"
all_moved "given up"
journalctl --sync
journalctl --no-pager -p err -b -u udrvd-hand-back@e1000 | grep -q 'HANDED BACK' || fail "hand-back: not said loudly"
journalctl --no-pager -b -u udrvd-hand-back@e1000 | grep 'udev is not done' && fail "hand-back: udev is not seen to be done"

# udev is told of the card again, and it is not taken: a new udrvd is an administrator's to start
udevadm trigger --action=change "/sys/bus/pci/devices/$ours"
udevadm settle --timeout=30
state_is e1000 failed && given_back || fail "hand-back: udev has the card taken again"
systemctl start udrvd@e1000.service 2> /dev/null && fail "hand-back: a card that carries addresses is taken"
udrvctl bind --force "pci:$ours" > /dev/null || fail "hand-back: the card cannot be taken"
systemctl reset-failed udrvd@e1000.service
systemctl start udrvd@e1000.service || fail "hand-back: udrvd does not start again"
within 60 ping -c 1 -W 1 "$net.2" > /dev/null || fail "hand-back: no answer when it is udrv's again"
echo "given up, handed back, and taken again"

# ---- on request: the service is ended by its manager, which does not start it again
ip route add 192.0.2.0/24 via "$net.2" dev "$interface" metric 7 || fail "hand-back: no route for the second time"
udrvctl hand-back "pci:$ours" > /results/hand-back || fail "hand-back: not on request"
grep -q 'was with udrvd@e1000.service' /results/hand-back || fail "hand-back: the service is not known: $(cat /results/hand-back)"
grep 'udev is not done' /results/hand-back && fail "hand-back: on request, udev is not seen to be done"
given_back && state_is e1000 inactive || fail "hand-back: on request, the unit is $(property e1000 ActiveState)"
all_moved "on request"
udrvctl bind --force "pci:$ours" > /dev/null || fail "hand-back: the card cannot be taken for the second time"
systemctl start udrvd@e1000.service || fail "hand-back: udrvd does not start for the second time"
echo "handed back on request, and taken again"
