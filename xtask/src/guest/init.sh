#!/bin/busybox sh
# The guest's first process: mounts, loads the modules, runs the script, sends the results out, ends the machine.
# The numbers and paths here are those of initramfs.rs and qemu.rs.
/bin/busybox --install -s /bin
export PATH=/usr/local/bin:/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t devpts devpts /dev/pts
chmod 1777 /tmp
mount -t tmpfs tmpfs /run
ln -s /proc/self/fd /dev/fd
stty -onlcr -echo < /dev/console
ip link set lo up

end() {
    echo "$1" > /results/status
    dmesg > /results/dmesg
    # The line is a terminal: without raw it would rewrite the archive's newlines. tar is done when its bytes are out.
    stty -F /dev/ttyS1 raw -echo
    tar -C /results -cf - . > /dev/ttyS1
    stty -F /dev/ttyS1 raw # waits until the line has drained
    # isa-debug-exit: QEMU ends with 2 * 0x10 + 1.
    printf '\x10' | dd of=/dev/port bs=1 seek=244 count=1 2> /dev/null
}

while read -r module parameters; do
    if ! insmod "/guest/modules/$module.ko" $parameters; then
        echo "guest: module $module does not load"
        end 127
    fi
done < /guest/load

cd /tmp
sh /guest/script < /dev/null
end $?
