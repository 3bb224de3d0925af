# nic-smoke: two cards on one cable, one for a driver in user space, one under Linux's own driver in a namespace.
. /guest/lib.sh
. /guest/cards # OURS and PEER, the PCI addresses

bind_vfio "$OURS"
group=$(iommu_group "$OURS") || exit 1
[ "$(ls "/sys/kernel/iommu_groups/$group/devices")" = "$OURS" ] || fail "$OURS shares its IOMMU group $group"

netns_add peer
interface=$(pci_interface "$PEER") || exit 1
netns_take peer "$interface" 10.77.0.2/24
wait_link peer "$interface" 10

{
    pci_facts "$OURS"
    pci_facts "$PEER"
    ls -l "/dev/vfio/$group"
    ip -n peer -o -4 addr show dev "$interface"
} | tee /results/facts
