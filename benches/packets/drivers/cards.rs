// SPDX-License-Identifier: GPL-2.0-only
//! A director between two cards of the machine, set up for one path. It is the only host
//! in the machine: client and server are the generator.

use std::collections::HashMap;
use std::fs;

use aya::Ebpf;

use super::generator::Generator;
use super::window::Windows;
use crate::arrival::{self, Ends};
use crate::director::{FullNat, USUAL, set_up, unload_xdp_forward};
use crate::flow::{
    CLIENT_MAC, DIRECTOR_CLIENT_MAC, DIRECTOR_SERVER_MAC, Direction, SERVER_MAC, Segment,
};
use crate::measure::frames;
use crate::namespace::{Namespace, run};
use crate::network::{configure, mac};
use crate::path::Path;
use crate::programs::{Arrivals, xdp_redirect};
use crate::report::Subject;
use Direction::{Original, Reply};

/// Frames that the driver finds at once. One poll of the kernel takes 64.
pub const BURST: usize = 64;

/// Loads the driver, and finds the two cards in the order of their wires.
pub fn find(driver: &str) {
    run("modprobe", &[driver]);
    for (name, address) in [("eth0", DIRECTOR_CLIENT_MAC), ("eth1", DIRECTOR_SERVER_MAC)] {
        let file = format!("/sys/class/net/{name}/address");
        let own = fs::read_to_string(file).expect("two cards");
        assert_eq!(own.trim(), mac(address), "{name}");
    }
}

pub struct Cards<'a> {
    pub path: Path,
    pub director: Namespace,
    generator: &'a Generator,
    windows: &'a Windows,
    /// Client and server are behind the first card.
    one_armed: bool,
    /// The frames that came in from each side, where none comes out.
    dropped: Vec<Arrivals>,
    /// The programs of the bench at XDP are attached as long as these live.
    _programs: Vec<Ebpf>,
}

impl<'a> Cards<'a> {
    pub fn lay_out(
        path: Path,
        one_armed: bool,
        generator: &'a Generator,
        windows: &'a Windows,
    ) -> Self {
        let director = Namespace::new();
        for card in ["eth0", "eth1"] {
            run("ip", &["link", "set", card, "netns", &director.path()]);
        }
        let sides = ["eth0", if one_armed { "eth0" } else { "eth1" }];
        director.ip("link set lo up");
        configure(&director, sides);
        let full_nat = FullNat {
            interfaces: if one_armed {
                &["eth0"]
            } else {
                USUAL.interfaces
            },
            ..USUAL
        };
        set_up(&director, path, full_nat);
        let (mut dropped, mut programs) = (Vec::new(), Vec::new());
        director.within(|| match path {
            Path::XdpRedirect => {
                programs.push(xdp_redirect(sides[0], sides[1]));
                if !one_armed {
                    programs.push(xdp_redirect(sides[1], sides[0]));
                }
            }
            Path::XdpDrop => {
                for side in sides {
                    let (arrivals, program) = Arrivals::at_xdp(side);
                    dropped.push(arrivals);
                    programs.push(program);
                }
            }
            _ => {}
        });
        Cards {
            path,
            director,
            generator,
            windows,
            one_armed,
            dropped,
            _programs: programs,
        }
    }

    /// The wires where frames of a direction go in and come out.
    fn wires(&self, direction: Direction) -> (u8, u8) {
        match direction {
            _ if self.one_armed => (0, 0),
            Original => (0, 1),
            Reply => (1, 0),
        }
    }

    /// The frames of one kind that these flows send on that path.
    pub fn frames(
        &self,
        path: Path,
        subject: &Subject,
        numbers: impl Iterator<Item = u32>,
        segment: Segment,
    ) -> Vec<Vec<u8>> {
        let mut frames = frames(path, subject, numbers, subject.direction, segment);
        if self.one_armed {
            for frame in &mut frames {
                frame[..6].copy_from_slice(&DIRECTOR_CLIENT_MAC);
            }
        }
        frames
    }

    /// Sends the frames and returns the instructions for each. All must come out.
    pub fn cost(&self, direction: Direction, frames: &[Vec<u8>]) -> f64 {
        let wire = self.wires(direction).0;
        let side = match direction {
            Original => self.dropped.first(),
            Reply => self.dropped.last(),
        };
        let Some(side) = side else {
            self.generator.load(wire, frames);
            return self.windows.cost(self.generator, BURST, None) / frames.len() as f64;
        };
        // The generator does not see when the next burst can come.
        let bursts = frames.chunks(BURST).map(|burst| {
            self.generator.load(wire, burst);
            let before = side.count();
            let whole = || side.count() - before == burst.len() as u64;
            self.windows.cost(self.generator, BURST, Some(&whole))
        });
        bursts.sum::<f64>() / frames.len() as f64
    }

    /// Checks what came out since the last call: as many frames as were sent of each
    /// flow, each with the addresses that the path must give it.
    pub fn check_arrived(
        &self,
        path: Path,
        subject: &Subject,
        numbers: impl Iterator<Item = u32>,
        sent_of_each: u32,
    ) {
        let direction = subject.direction;
        let what = format!("{}, {direction:?}: what comes out", self.path.name());
        let mut expected: HashMap<Ends, u32> = numbers
            .map(|number| arrival::expected(path, subject, number, direction))
            .map(|ends| (ends, sent_of_each))
            .collect();
        if self.path == Path::XdpDrop {
            expected.clear();
        }
        let (_, out) = self.wires(direction);
        let macs = match direction {
            Reply => [CLIENT_MAC, DIRECTOR_CLIENT_MAC],
            Original if self.one_armed => [SERVER_MAC, DIRECTOR_CLIENT_MAC],
            Original => [SERVER_MAC, DIRECTOR_SERVER_MAC],
        };
        let mut found: HashMap<Ends, u32> = HashMap::new();
        for arrived in self.generator.arrived() {
            assert_eq!(arrived.wire, out, "{what}: its wire");
            if !self.path.is_redirect() {
                assert_eq!(arrived.frame[..12], macs.concat(), "{what}: its addresses");
            }
            let ends = arrival::read(&arrived.frame);
            let ends = ends.unwrap_or_else(|| panic!("{what}: {:02x?}", arrived.frame));
            *found.entry(ends).or_default() += arrived.count;
        }
        if found != expected {
            let differs = |one: &HashMap<Ends, u32>, other: &HashMap<Ends, u32>| {
                let mut ends = one
                    .iter()
                    .filter(|(ends, count)| other.get(ends) != Some(count));
                ends.next()
                    .map(|(ends, count)| format!("{ends:?} × {count}"))
            };
            panic!(
                "{what}: {:?}, expected {:?}",
                differs(&found, &expected),
                differs(&expected, &found)
            );
        }
    }

    /// Forgets what has come out.
    pub fn forget_arrived(&self) {
        self.generator.arrived();
    }

    /// The number of packets that have left at XDP, as the product says.
    pub fn left_at_xdp(&self) -> u64 {
        if !self.path.is_ours() {
            return 0;
        }
        let cli = env!("CARGO_BIN_EXE_ipvs-bpf");
        let show = self.director.run(cli, &["show", "--counters", "--json"]);
        let show: serde_json::Value = serde_json::from_str(&show).expect("JSON");
        let counters = show["counters"].as_array().expect("counters");
        let ours = counters.iter().find(|one| one["name"] == "xdp_packets");
        ours.and_then(|one| one["value"].as_u64())
            .expect("xdp_packets")
    }
}

/// The cards go back to where the next director gets them.
impl Drop for Cards<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if self.path.is_ours() {
            self.director.run(env!("CARGO_BIN_EXE_ipvs-bpf"), &["down"]);
        }
        if self.path == Path::XdpForward {
            unload_xdp_forward(&self.director);
        }
        for card in ["eth0", "eth1"] {
            self.director
                .run("ip", &["link", "set", card, "netns", "1"]);
        }
    }
}
