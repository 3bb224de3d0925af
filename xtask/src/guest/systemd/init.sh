#!/bin/busybox sh
# The first process of a guest with systemd: puts a root together of the read-only Debian and memory, and hands over to systemd.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module parameters; do
    insmod "/boot/$module.ko" $parameters || echo "guest: module $module does not load"
done < /boot/load
mkdir -p /base /memory /new
mount -t squashfs -o ro /dev/vda /base || echo 'guest: no root'
mount -t tmpfs -o mode=755 tmpfs /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/base,upperdir=/memory/upper,workdir=/memory/work overlay /new || echo 'guest: no overlay'
cp -a /overlay/. /new/
chroot /new /sbin/depmod
umount /proc /sys
mount --move /dev /new/dev
exec switch_root /new /sbin/init
