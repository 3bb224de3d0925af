# udrvctl's list, doctor, bind and unbind, for real: on a card, and on a PS/2 port. tool.rs judges what they have answered.
. /guest/lib.sh
. /guest/cards # OURS, the PCI address of the card; OUR_LINUX, Linux's driver for it

DEVICE=pci:$OURS

# said NAME CODE COMMAND...: its answer as JSON is NAME's, and it ends with that code.
said() {
    local name=$1 code=$2 got
    shift 2
    udrvctl --json "$@" > "/results/tool-$name.json" 2> /results/tool-stderr
    got=$?
    [ "$got" = "$code" ] || fail "udrvctl $*: exit code $got and not $code: $(cat /results/tool-stderr)"
}

# said_by_somebody NAME CODE COMMAND: the same of a user without any rights.
said_by_somebody() {
    su -s /bin/sh somebody -c "/usr/local/bin/udrvctl --json $3" > "/results/tool-$1.json" 2> /results/tool-stderr
    set -- "$1" "$2" "$3" $?
    [ "$4" = "$2" ] || fail "udrvctl $3 of somebody: exit code $4 and not $2: $(cat /results/tool-stderr)"
}

saved=/etc/driverctl.d/pci-$OURS
echo 'somebody:x:1000:1000::/tmp:/bin/sh' >> /etc/passwd

said list-all 0 list --all
said list-linux 0 list
said doctor-linux 1 doctor "$DEVICE"
said dry-run 0 bind "$DEVICE" --persist --dry-run
[ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] && [ ! -e "$saved" ] || fail "a dry run has changed something"
said_by_somebody forbidden 5 "bind $DEVICE"
said bridge 4 bind pci:0000:00:1f.0 --force
said nowhere 3 bind pci:0000:00:1d.7

interface=$(pci_interface "$OURS") || exit 1
ip addr add 192.0.2.1/24 dev "$interface" && ip link set "$interface" up || fail "no address for $interface"
ip route add default via 192.0.2.2 || fail "no default route"
said carries 4 bind "$DEVICE"
[ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] || fail "a card that carries an address was bound"
ip link set "$interface" down && ip addr flush dev "$interface" || fail "the address stays"

# it is bound, and what is to stay cannot be written: all goes back
: > /etc/driverctl.d
said undone 1 bind "$DEVICE" --persist
[ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] || fail "a binding that failed was not undone"
rm /etc/driverctl.d

said bind 0 bind "$DEVICE" --persist
[ "$(pci_driver "$OURS")" = vfio-pci ] && [ "$(cat "$saved")" = vfio-pci ] || fail "not bound, or not for ever"
group=$(iommu_group "$OURS") || exit 1
[ -c "/dev/vfio/$group" ] || fail "no /dev/vfio/$group"
said again 0 bind "$DEVICE"
said list-vfio 0 list
said doctor-vfio 0 doctor "$DEVICE"
said_by_somebody doctor-somebody 1 "doctor $DEVICE"

# this shell is somebody who has the group open
exec 9<> "/dev/vfio/$group" || fail "/dev/vfio/$group cannot be opened"
said list-held 0 list
said doctor-held 1 doctor "$DEVICE"
said held 4 unbind "$DEVICE"
exec 9>&-

said unbind 0 unbind "$DEVICE" --persist
[ "$(pci_driver "$OURS")" = "$OUR_LINUX" ] && [ ! -e "$saved" ] || fail "not given back, or not for ever"
[ -z "$(cat "/sys/bus/pci/devices/$OURS/driver_override" | grep vfio)" ] || fail "the override stays"
pci_interface "$OURS" > /dev/null || exit 1

port=$(basename "$(dirname "$(grep -l AUX /sys/bus/serio/devices/serio*/description)")")
port_has() { [ "$(basename "$(readlink "/sys/bus/serio/devices/$port/driver")")" = "$1" ]; }
within 10 port_has psmouse || fail "psmouse should have the port first"
said serio-refused 2 bind "serio:$port" --force --persist
said serio-bind 0 bind "serio:$port" --force
port_has serio_raw && [ -c /dev/serio_raw0 ] || fail "the port is not serio_raw's"
said serio-doctor 1 doctor "serio:$port"
exec 9<> /dev/serio_raw0 || fail "/dev/serio_raw0 cannot be opened"
said serio-held 4 unbind "serio:$port"
exec 9>&-
said serio-unbind 0 unbind "serio:$port"
port_has psmouse || fail "psmouse does not take the port back"
echo "listed, checked, bound, and given back to $OUR_LINUX and psmouse"
