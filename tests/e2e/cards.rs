// SPDX-License-Identifier: GPL-2.0-only
//! A lab whose director has the machine's cards in place of veths. Two cards are joined by
//! a cable each (`lab/vm/run.sh --cables`, `--card`). A veth takes frames of XDP under other
//! conditions than a card, and has no driver of hardware.

use std::fs;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::lab::{Lab, eventually, run};

/// The machine has one or two sets of cards, of two cables each. Tests take them in turn.
static SETS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// The second half of a link's address: the cable of the set and its end.
type End = (usize, usize);

const ETH0: End = (1, 1);
const CLIENT: End = (1, 2);
const ETH1: End = (2, 1);
const SWITCH: End = (2, 2);

/// The lab is dropped first, and with its namespaces the cards return to the machine's own.
pub struct Cards {
    lab: Lab,
    set: usize,
    _guard: MutexGuard<'static, ()>,
}

impl Deref for Cards {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl DerefMut for Cards {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.lab
    }
}

/// Loads the drivers that network cards lack, as udev does. A card of virtio is a PCI device,
/// whose driver makes a device of another bus.
fn load_drivers() {
    for (bus, file, network) in [("pci", "class", "0x02"), ("virtio", "device", "0x0001")] {
        for device in fs::read_dir(format!("/sys/bus/{bus}/devices")).unwrap() {
            let device = device.unwrap().path();
            let read = |file| fs::read_to_string(device.join(file));
            if !device.join("driver").exists() && read(file).unwrap().starts_with(network) {
                let alias = read("modalias").unwrap();
                run(Command::new("modprobe").arg(alias.trim()));
            }
        }
    }
}

fn sets() -> usize {
    let devices = fs::read_dir("/sys/bus/pci/devices").unwrap().flatten();
    let classes = devices.map(|device| fs::read_to_string(device.path().join("class")).unwrap());
    classes.filter(|class| class.starts_with("0x02")).count() / 4
}

/// The name that a card has in the machine's own namespace, where it appears by and by.
fn name(set: usize, (cable, end): End) -> String {
    let mac = format!("52:54:00:ca:{:02x}:{end:02x}", 2 * set + cable);
    let mut name = None;
    eventually("the card is there", || {
        let links = run(Command::new("ip").args(["-j", "link"]));
        let links: serde_json::Value = serde_json::from_str(&links).unwrap();
        let mut links = links.as_array().unwrap().iter();
        let found = links.find(|link| link["address"] == mac.as_str());
        name = found.map(|link| link["ifname"].as_str().unwrap().to_owned());
        name.is_some()
    });
    name.unwrap()
}

/// Runs `ip` on a host once for each of these lines.
pub fn ip(lab: &Lab, host: &str, lines: &[&str]) {
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        lab.exec(host, &[&["ip"], &words[..]].concat());
    }
}

/// The addresses of the director's interface to clients, which is eth0.
pub const TO_CLIENTS: [&str; 2] = [
    "addr add 10.1.0.1/24 dev eth0",
    "addr add fd00:1::1/64 dev eth0 nodad",
];

const TO_SERVERS: [&str; 4] = [
    "addr add 10.2.0.1/24 dev eth1",
    "addr add 10.2.0.100/24 dev eth1",
    "addr add fd00:2::100/64 dev eth1 nodad",
    "addr add fd00:2::1/64 dev eth1 nodad",
];

/// The addresses and routes of the client.
pub const OF_CLIENT: [&str; 6] = [
    "addr add 10.1.0.2/24 dev eth0",
    "addr add 10.1.0.3/24 dev eth0",
    "addr add fd00:1::3/64 dev eth0 nodad",
    "addr add fd00:1::2/64 dev eth0 nodad",
    "route add default via 10.1.0.1",
    "route add default via fd00:1::1",
];

impl Cards {
    fn with(interfaces: &[&str]) -> Self {
        let set = NUMBER.fetch_add(1, Ordering::Relaxed) % sets().clamp(1, SETS.len());
        let guard = SETS[set].lock().unwrap_or_else(|error| error.into_inner());
        load_drivers();
        let lab = Lab::new();
        for interface in interfaces {
            ip(&lab, "director", &[&format!("link del {interface}")]);
        }
        let cards = Cards {
            lab,
            set,
            _guard: guard,
        };
        cards.place(SWITCH, "switch", "director");
        ip(&cards, "switch", &["link set director master switch"]);
        cards
    }

    /// Gives a card to a host. The last user may have changed its MTU. The kernel makes the
    /// segments, so that it does not matter how a card is emulated there. Its queue drops
    /// nothing that waits for long: fq_codel would, where emulation is slow.
    fn place(&self, card: End, host: &str, as_name: &str) {
        let (card, namespace) = (name(self.set, card), self.namespace(host));
        let words = ["link", "set", &card, "netns", &namespace, "name", as_name];
        run(Command::new("ip").args(words));
        self.exec(host, &["ethtool", "-K", as_name, "tso", "off"]);
        let queue = ["tc", "qdisc", "replace", "dev", as_name, "root", "pfifo"];
        self.exec(host, &queue);
        ip(self, host, &[&format!("link set {as_name} mtu 1500 up")]);
    }

    /// Client and director are joined by one cable, director and switch by the other one.
    pub fn new() -> Self {
        let cards = Cards::with(&["eth0", "eth1"]);
        cards.place_eth0();
        cards.place_eth1();
        cards.place(CLIENT, "client", "eth0");
        ip(&cards, "client", &OF_CLIENT);
        cards
    }

    /// The director has only eth1, and the client is behind the switch too.
    pub fn one_armed() -> Self {
        let cards = Cards::with(&["eth0", "eth1"]);
        cards.place_eth1();
        let namespace = cards.namespace("client");
        let link = format!("link add client type veth peer name eth0 netns {namespace}");
        let port = "link set client master switch up";
        ip(&cards, "switch", &[&link, port]);
        ip(&cards, "client", &["link set eth0 up"]);
        let at_eth1 = TO_CLIENTS.map(|line| line.replace("eth0", "eth1"));
        ip(&cards, "director", &at_eth1.each_ref().map(String::as_str));
        ip(&cards, "client", &OF_CLIENT);
        cards
    }

    fn place_eth0(&self) {
        self.place(ETH0, "director", "eth0");
        ip(self, "director", &TO_CLIENTS);
    }

    fn place_eth1(&self) {
        self.place(ETH1, "director", "eth1");
        ip(self, "director", &TO_SERVERS);
    }

    /// Moves the interface to the servers to the machine's own namespace.
    pub fn move_eth1_away(&self) {
        ip(self, "director", &["link set eth1 netns 1 name away"]);
    }

    /// Moves it back, with its addresses.
    pub fn move_eth1_back(&self) {
        self.place_eth1();
    }

    /// Takes the director's interface from its driver, and gives it back. The new interface
    /// gets the addresses of the old one.
    pub fn rebind(&self, interface: &str) {
        let device = format!("/sys/class/net/{interface}/device");
        let path = |file: &str| {
            let path = self.exec("director", &["readlink", "-f", file]);
            Path::new(path.trim()).to_owned()
        };
        let driver = path(&format!("{device}/driver"));
        let device = path(&device);
        let name = device.file_name().unwrap().to_str().unwrap();
        fs::write(driver.join("unbind"), name).unwrap();
        fs::write(driver.join("bind"), name).unwrap();
        match interface {
            "eth0" => self.place_eth0(),
            _ => self.place_eth1(),
        }
    }
}
