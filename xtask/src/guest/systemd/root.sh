#!/bin/sh
# Makes of unpacked packages the root of a Debian that systemd boots: what their maintainer scripts would have made, as far as
# this guest needs it. No script of a package is run, so this needs no root and no chroot.
# Called with the root and the packages; a change here makes the cache build the root anew.
set -eu
root=$1
shift

# /bin and the like are links into /usr. dpkg-deb has unpacked folders.
for folder in bin sbin lib lib64; do
    if [ -d "$root/$folder" ] && [ ! -L "$root/$folder" ]; then
        mkdir -p "$root/usr/$folder"
        cp -a "$root/$folder/." "$root/usr/$folder/"
        rm -r "${root:?}/$folder"
    fi
    ln -s "usr/$folder" "$root/$folder"
done

# base-passwd, libc-bin, base-files
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
# those that udev's rules name
printf '%s:x:%s:\n' input 101 sgx 102 kvm 103 render 104 >> "$root/etc/group"
cp "$root/usr/share/libc-bin/nsswitch.conf" "$root/etc/nsswitch.conf"
[ -e "$root/var/run" ] || ln -s /run "$root/var/run"
[ -e "$root/var/lock" ] || ln -s /run/lock "$root/var/lock"
echo guest > "$root/etc/hostname"
printf '127.0.0.1\tlocalhost guest\n' > "$root/etc/hosts"
: > "$root/etc/fstab"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
ln -s mawk "$root/usr/bin/awk"

# The database of dpkg: all of them are installed, which is what a package's dependencies are judged by.
info=$root/var/lib/dpkg/info
mkdir -p "$info" "$root/var/lib/dpkg/updates" "$root/var/log"
for package; do
    name=$(dpkg-deb --field "$package" Package)
    if [ "$(dpkg-deb --field "$package" Multi-Arch)" = same ]; then
        name=$name:$(dpkg-deb --field "$package" Architecture)
    fi
    dpkg-deb --fsys-tarfile "$package" | tar --list | sed -e 's/^\.//' -e 's:/$::' -e 's:^$:/.:' > "$info/$name.list"
    { dpkg-deb --field "$package"; echo 'Status: install ok installed'; echo; } >> "$root/var/lib/dpkg/status"
done
printf 'amd64\n' > "$root/var/lib/dpkg/arch"

# Units that a guest without disks, consoles and time to lose can do without.
units=$root/etc/systemd/system
mkdir -p "$units/multi-user.target.wants" "$units/sockets.target.wants"
for unit in systemd-firstboot.service systemd-random-seed.service systemd-journal-flush.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-logind.service systemd-user-sessions.service systemd-timesyncd.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-boot-system-token.service systemd-machine-id-commit.service \
    systemd-remount-fs.service systemd-binfmt.service systemd-ask-password-wall.path systemd-ask-password-console.path \
    systemd-fsck-root.service systemd-hwdb-update.service systemd-update-done.service ldconfig.service \
    systemd-network-generator.service systemd-journal-catalog-update.service systemd-sysext.service \
    systemd-tmpfiles-clean.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
    getty.target getty@tty1.service serial-getty@ttyS0.service console-getty.service remote-fs.target \
    dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
    modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@dm_mod.service \
    modprobe@loop.service networking.service; do
    ln -s /dev/null "$units/$unit"
done
mkdir -p "$root/etc/systemd/system-generators"
for generator in "$root"/lib/systemd/system-generators/*; do
    ln -s /dev/null "$root/etc/systemd/system-generators/${generator##*/}"
done
ln -s /lib/systemd/system/multi-user.target "$units/default.target"
ln -s /lib/systemd/system/systemd-networkd.service "$units/multi-user.target.wants/systemd-networkd.service"
ln -s /lib/systemd/system/systemd-networkd.socket "$units/sockets.target.wants/systemd-networkd.socket"
mkdir -p "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=32M\nRateLimitBurst=0\n' > "$root/etc/systemd/journald.conf.d/guest.conf"
printf '[Manager]\nShowStatus=no\nDefaultTimeoutStartSec=60s\nDefaultTimeoutStopSec=30s\n' > "$root/etc/systemd/system.conf.d/guest.conf"
# No name of an interface changes under the hands of a test.
mkdir -p "$root/etc/systemd/network"
ln -s /dev/null "$root/etc/systemd/network/99-default.link"

# What the guest brings at each run: kernel modules, and what there is to test.
mkdir -p "$root/guest" "$root/lib/modules" "$root/results" "$root/usr/local/bin"
ln -s /usr/bin/ip "$root/usr/local/bin/ip"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp"
cat > "$units/guest.service" << 'END'
[Unit]
Description=What this guest is for
After=multi-user.target systemd-udev-settle.service

[Service]
Type=exec
ExecStart=/bin/sh /guest/run
StandardInput=null
StandardOutput=journal
StandardError=journal
KillMode=process
END
ln -s ../guest.service "$units/multi-user.target.wants/guest.service"
