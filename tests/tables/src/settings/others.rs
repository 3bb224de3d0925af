//! Settings of the sound card and of the mouse.

use std::time::Duration;

use model_card::Chip;
use model_ens1371::{codec, regs};
use udrv::checkpoint::ClassSettings;
use udrv::endpoint::sound::{Sound, Wish};
use udrv::input::InputSetting;
use udrv::run::{Answer, Command};
use udrv_bus::Width;
use udrv_driver::ControlValue;
use udrv_tests::sound_rig::{RATE, STEP, USUAL};

use super::{Make, Row, Setting, Way, rows_of};
use crate::device::{Device, Driver, Mouse, Player, Work};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = rows_of(Driver::Ens1371, Player::options, Player::start, of_ens1371());
    rows.extend(rows_of(Driver::Psmouse, Mouse::options, Mouse::start, of_psmouse()));
    rows
}

/// A register of the chip.
fn at(player: &mut Player, register: u8) -> u64 {
    player.hand.bench.with(|chip| chip.read(0, register.into(), Width::U32)).into()
}

fn of_ens1371() -> Vec<Setting<Player>> {
    vec![
        Setting {
            name: "general purpose of the codec: microphone 2",
            way: Way::RawForeign,
            register: "AC'97 20h",
            make: Make::Running(|player| {
                player.hand.bench.with(|chip| chip.set_codec_register(codec::reg::GENERAL, 0x0100));
                Ok(())
            }),
            read: |player| player.hand.bench.with(|chip| chip.codec_register(codec::reg::GENERAL)).into(),
        },
        Setting {
            name: "joystick port",
            way: Way::RawOwn,
            register: "CONTROL.JYSTK_EN",
            make: Make::Running(|player| {
                let before = at(player, regs::CONTROL) as u32;
                let with = before | regs::control::JYSTK_EN;
                player.hand.bench.with(|chip| chip.write(0, regs::CONTROL.into(), Width::U32, with));
                Ok(())
            }),
            read: |player| at(player, regs::CONTROL) & u64::from(regs::control::JYSTK_EN),
        },
        Setting {
            name: "volume in the codec",
            way: Way::RawOwn,
            register: "AC'97 02h",
            make: Make::Running(|player| {
                player.hand.bench.with(|chip| chip.set_codec_register(codec::reg::MASTER, 0x0a0a));
                Ok(())
            }),
            read: |player| player.hand.bench.with(|chip| chip.codec_register(codec::reg::MASTER)).into(),
        },
        Setting {
            name: "length of a period",
            way: Way::AtStart,
            register: "DAC2 sample count",
            make: Make::AtStart(|options| options.sound.period = Duration::from_millis(20)),
            read: |player| at(player, regs::DAC2_COUNT) & 0xffff,
        },
        Setting {
            name: "a volume of the mixer",
            way: Way::Class,
            register: "AC'97 12h (CD)",
            make: Make::Running(|player| {
                let control = player.hand.desk.control("CD Playback Volume");
                player.hand.desk.wish(Wish::Set(control, ControlValue { left: 3, right: 5 }));
                player.hand.try_serve().map_err(|error| error.to_string())
            }),
            read: |player| player.hand.bench.with(|chip| chip.codec_register(codec::reg::CD)).into(),
        },
        Setting {
            name: "a stream's format: one channel",
            way: Way::Class,
            register: "SERIAL.P2_MODE",
            make: Make::Running(|player| {
                player.hand.desk.wish(Wish::Stop(Player::STREAM));
                // what is in its ring is played to the end
                player.hand.try_pass_by(u64::from(RATE), STEP).map_err(|error| error.to_string())?;
                player.hand.desk.wish(Wish::Start(Player::STREAM, Sound { channels: 1, ..USUAL }));
                player.work(&mut Work::default()).map_err(|error| error.to_string())
            }),
            read: |player| at(player, regs::SERIAL) >> regs::serial::P2_MODE & 3,
        },
    ]
}

fn of_psmouse() -> Vec<Setting<Mouse>> {
    fn set(mouse: &mut Mouse, setting: InputSetting) -> Result<(), String> {
        match mouse.ask(Command::Set(setting)).map_err(|error| error.to_string())? {
            Answer::Set(_) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }
    vec![
        Setting {
            name: "rate, set by a switch in between",
            way: Way::RawOwn,
            register: "sampling rate",
            make: Make::Running(|mouse| {
                mouse.hand.bench.set(|settings| settings.rate = 40);
                Ok(())
            }),
            read: |mouse| mouse.hand.bench.settings().rate.into(),
        },
        Setting {
            name: "scaling, set by a switch in between",
            way: Way::RawOwn,
            register: "scaling",
            make: Make::Running(|mouse| {
                mouse.hand.bench.set(|settings| settings.doubled = true);
                Ok(())
            }),
            read: |mouse| mouse.hand.bench.settings().doubled.into(),
        },
        Setting {
            name: "resolution",
            way: Way::AtStart,
            register: "resolution",
            make: Make::AtStart(|options| options.input.resolution = Some(100)),
            read: |mouse| mouse.hand.bench.settings().resolution.into(),
        },
        Setting {
            name: "rate, by udrvctl set",
            way: Way::Private,
            register: "sampling rate",
            make: Make::Running(|mouse| set(mouse, InputSetting::Rate(200))),
            read: |mouse| mouse.hand.bench.settings().rate.into(),
        },
        Setting {
            name: "scaling",
            way: Way::Class,
            register: "scaling",
            make: Make::Running(|mouse| {
                super::class(mouse, |settings| {
                    if let ClassSettings::Input(settings) = settings {
                        settings.scaling = udrv::input::Scaling::Double;
                    }
                })
            }),
            read: |mouse| mouse.hand.bench.settings().doubled.into(),
        },
    ]
}
