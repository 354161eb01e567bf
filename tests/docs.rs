//! README and docs are run: every command that they show, with the real binary, and every configuration.
//!
//! A block of commands (`console` or `sh`) has a comment above it that says how it is run:
//!
//! - `<!-- run: quickstart -->`: in a copy of `examples/quickstart`, by itself;
//! - `<!-- run: swarm -->`: in a copy of `examples/swarm`, on a real engine, with the blocks of its page before it;
//! - `<!-- run: acme -->`: in a copy of `examples/acme`, against a Pebble in the place of the CA;
//! - `<!-- run: nothing -->`: in an empty folder;
//! - `<!-- not run: REASON -->`: not at all. They are counted, so that none slips in.
//!
//! In a `console` block, lines after `$ ` are commands, and the others what they print (both streams): in that order,
//! blanks aside, with `…` for anything. A `toml` block that is a part of a configuration gets a CA before it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::disallowed_methods)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keyturn::config::{Config, DnsKeyNeed, DnsProviderSpec, Environment, dns_providers};
use support::{Engine, Pebble, Ran, engine_or_skip, in_netns, nginx_image, skipped};

/// Pages whose blocks are all looked at.
const PAGES: [&str; 26] = [
    "README.md",
    "docs/3am.md",
    "docs/README.md",
    "docs/acme.md",
    "docs/alerts.md",
    "docs/approvals.md",
    "docs/by-hand.md",
    "docs/configuration.md",
    "docs/container.md",
    "docs/databases.md",
    "docs/dh.md",
    "docs/dns.md",
    "docs/doctor.md",
    "docs/faults.md",
    "docs/files.md",
    "docs/first-day.md",
    "docs/internal-ca.md",
    "docs/jwt.md",
    "docs/keys.md",
    "docs/monitoring.md",
    "docs/nginx.md",
    "docs/operations.md",
    "docs/state.md",
    "docs/swarm.md",
    "examples/swarm/README.md",
    "hooks/README.md",
];

/// Blocks that cannot be run in a test, each with its reason above it.
const NOT_RUN: usize = 26;

#[derive(Debug)]
struct Block {
    page: &'static str,
    line: usize,
    language: String,
    /// The comment above it.
    mark: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blocks() -> Vec<Block> {
    PAGES.into_iter().flat_map(blocks_of).collect()
}

/// The fenced blocks of a page. A mark is the last line before the fence that is not empty.
fn blocks_of(page: &'static str) -> Vec<Block> {
    let text = fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let (mut blocks, mut mark, mut open) = (Vec::new(), String::new(), None::<Block>);
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some("")) => blocks.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) => {
                let (language, mark) = (language.to_owned(), std::mem::take(&mut mark));
                open = Some(Block { page, line: index + 1, language, mark, text: String::new() });
            }
            (None, None) if !line.trim().is_empty() => {
                let comment = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
                mark = comment.unwrap_or_default().to_owned();
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{page}: a block has no end");
    blocks
}

impl Block {
    fn is_commands(&self) -> bool {
        matches!(self.language.as_str(), "console" | "sh")
    }

    fn runs_in(&self) -> Option<&str> {
        self.mark.strip_prefix("run: ").filter(|_| self.is_commands())
    }

    fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }

    /// Each command with the lines that it prints. A `sh` block is one script that prints whatever it likes.
    fn commands(&self) -> Vec<(String, Vec<&str>)> {
        if self.language == "sh" {
            return vec![(self.text.clone(), vec!["…"])];
        }
        let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), commands.last_mut()) {
                (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
                (None, Some((_, printed))) => printed.push(line),
                (None, None) => panic!("{}: the first line is no command", self.place()),
            }
        }
        commands
    }
}

/// A folder like the repository's, with what the commands need in their `PATH`.
struct Ground<'e> {
    folder: tempfile::TempDir,
    /// Where the commands are: a `cd` holds for what follows.
    at: PathBuf,
    engine: Option<&'e Engine>,
    env: Vec<(&'static str, String)>,
}

impl<'e> Ground<'e> {
    fn new(example: &str, engine: Option<&'e Engine>) -> Self {
        let folder = tempfile::Builder::new().prefix("keyturn-docs-").tempdir().unwrap();
        let (at, bin) = (folder.path().join("repository"), folder.path().join("bin"));
        fs::create_dir_all(at.join("state")).unwrap();
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_keyturn"), bin.join("keyturn")).unwrap();
        // `cargo run … -- ARGUMENTS` would build what has been built for this test already.
        script(&bin.join("cargo"), "while [ \"$1\" != -- ]; do shift; done; shift; exec keyturn \"$@\"");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut env = vec![("PATH", format!("{}:{path}:/usr/sbin:/sbin", bin.display()))];
        if let Some(engine) = engine {
            env.push(("DOCKER_HOST", format!("unix://{}", engine.socket().display())));
            env.push(("DOCKER_CONFIG", engine.dir().join("client").display().to_string()));
            env.push(("NGINX_IMAGE", nginx_image(engine)));
        }
        let ground = Self { folder, at, engine, env };
        if example != "nothing" {
            ground.copy(example);
        }
        ground
    }

    /// The example as it is, but for what this machine must have otherwise.
    fn copy(&self, example: &str) {
        let (from, to) = (root().join("examples").join(example), self.at.join("examples").join(example));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
        let file = to.join("keyturn.toml");
        // The search for a prime has tests of its own; unoptimised it takes minutes.
        let mut toml = fs::read_to_string(&file)
            .unwrap()
            .replace("[dh_params.edge]", "[dh_params.edge]\nsource = \"rfc7919\"");
        toml = toml
            .lines()
            .filter(|line| !line.starts_with("rotate_every = \"90d\""))
            .map(|line| format!("{line}\n"))
            .collect();
        if let Some(engine) = self.engine {
            toml.push_str(&format!("[docker]\nsocket = \"{}\"\n", engine.socket().display()));
        }
        fs::write(file, toml).unwrap();
    }

    /// The CA is a Pebble on this machine, and so is the way to the listener.
    fn point_at(&self, pebble: &Pebble) {
        let file = self.at.join("examples/acme/keyturn.toml");
        let server = format!("{}\"\nca_file = \"{}", pebble.directory(), pebble.ca_file().display());
        let toml = fs::read_to_string(&file)
            .unwrap()
            .replace("https://acme-staging-v02.api.letsencrypt.org/directory", &server)
            .replace("0.0.0.0:80", &format!("127.0.0.1:{}", pebble.http_port()));
        fs::write(file, toml).unwrap();
    }

    /// Runs the block's commands; each must print what the page says, and succeed unless that is an error of ours.
    fn play(&mut self, block: &Block) {
        for (command, printed) in block.commands() {
            let ran = self.run(&command);
            let place = block.place();
            let shows_error = printed.iter().any(|line| line.starts_with("keyturn: "));
            assert!(ran.ok() != shows_error, "{place}: {command}: {ran:#?}");
            let wanted = printed.join("\n");
            assert!(
                prints(&ran.stdout, &wanted),
                "{place}: {command}\nshould print\n{wanted}\nand prints\n{}",
                ran.stdout
            );
        }
    }

    /// Both streams come as one, in the order in which a person sees them.
    fn run(&mut self, command: &str) -> Ran {
        let place = self.folder.path().join("place");
        let mut shell = Command::new("bash");
        let text = format!("exec 2>&1\ntrap 'pwd >{}' EXIT\n{command}", place.display());
        shell.args(["-euo", "pipefail", "-c", &text]).current_dir(&self.at);
        // Warnings about the examples' own habits stand in the text, not among what is printed.
        shell.env_remove("RUST_LOG").env("KEYTURN_LOG", "error");
        shell.envs(self.env.iter().map(|(key, value)| (*key, value)));
        if let Some(engine) = self.engine {
            shell = in_netns(engine, &shell);
        }
        let output = shell.stdin(Stdio::null()).output().unwrap();
        self.at = PathBuf::from(fs::read_to_string(place).unwrap().trim());
        Ran::new(output.status, &output.stdout, &output.stderr)
    }
}

fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

/// Whether `text` is what `wanted` says; blanks count once, and `…` is anything.
fn prints(text: &str, wanted: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (text, wanted) = (squeezed(text), squeezed(wanted));
    let pieces: Vec<&str> = wanted.split('…').map(str::trim).collect();
    let (first, last) = (pieces[0], pieces[pieces.len() - 1]);
    if pieces.len() == 1 {
        return text == wanted;
    }
    let mut rest = match text.strip_prefix(first) {
        Some(rest) if rest.ends_with(last) => &rest[..rest.len() - last.len()],
        _ => return false,
    };
    pieces[1..pieces.len() - 1].iter().all(|piece| match rest.find(piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

#[test]
fn anything_is_anything_and_the_rest_is_exact() {
    for (wanted, good) in [
        ("a  b\nc", true),
        ("a … c", true),
        ("…c", true),
        ("a b", false),
        ("…b", false),
        ("a … b … c", true),
        ("a … c … b … c", false),
    ] {
        assert_eq!(prints("a b c\n", wanted), good, "{wanted}");
    }
}

#[test]
fn every_block_of_commands_says_how_it_is_run() {
    let blocks = blocks();
    let commands: Vec<&Block> = blocks.iter().filter(|block| block.is_commands()).collect();
    let mut not_run = 0;
    for block in &commands {
        match (block.mark.strip_prefix("not run: "), block.runs_in()) {
            (Some(reason), _) => {
                println!("{}: not run: {reason}", block.place());
                not_run += 1;
            }
            (None, Some("quickstart" | "swarm" | "acme" | "nothing")) => {}
            _ => panic!("{}: no comment says how it is run, but `{}`", block.place(), block.mark),
        }
    }
    assert_eq!(not_run, NOT_RUN, "blocks that are not run");
    assert!(commands.len() > 2 * NOT_RUN, "{} blocks of commands", commands.len());
}

#[test]
fn commands_without_a_swarm_do_what_is_shown() {
    for block in blocks() {
        if let Some(example) = block.runs_in().filter(|example| !matches!(*example, "swarm" | "acme")) {
            Ground::new(example, None).play(&block);
        }
    }
}

#[test]
fn commands_with_a_ca_do_what_is_shown() {
    if let Some(reason) = Pebble::missing() {
        return skipped("docs::commands_with_a_ca_do_what_is_shown", &reason);
    }
    for block in blocks().iter().filter(|block| block.runs_in() == Some("acme")) {
        let pebble = Pebble::start();
        let mut ground = Ground::new("acme", None);
        ground.point_at(&pebble);
        ground.play(block);
    }
}

#[test]
fn commands_on_a_swarm_do_what_is_shown() {
    let engine = engine_or_skip!();
    let mut ground = Ground::new("swarm", Some(&engine));
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.runs_in() == Some("swarm")).collect();
    assert!(
        blocks.iter().all(|block| block.page == "examples/swarm/README.md"),
        "one page, read from top to bottom"
    );
    for block in &blocks {
        ground.play(block);
    }
}

/// Who reads the index finds every page.
#[test]
fn every_page_is_in_the_index() {
    let index = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "docs/{name} is not in docs/README.md");
        }
    }
}

/// A code that is named anywhere, in the sources or in a page, is one that `explain` and docs/problems.md know.
#[test]
fn every_code_that_is_named_is_explained() {
    let problems = fs::read_to_string(root().join("docs/problems.md")).unwrap();
    let mut named = 0;
    let mut folders: Vec<PathBuf> =
        ["src", "docs", "examples", "hooks"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            for rest in text.split("KT-").skip(1) {
                let name: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '-')
                    .collect();
                // `KT-…`, `KT-NAME` and `KT-TLS-*` stand for others.
                if name.is_empty() || name == "NAME" || name.ends_with('-') {
                    continue;
                }
                named += 1;
                let heading = format!("## KT-{name}\n");
                assert!(problems.contains(&heading), "{}: KT-{name} is explained nowhere", path.display());
            }
        }
    }
    assert!(named > 200, "{named}");
}

/// What a part of a configuration leaves out.
const AUTHORITY: &str = "[issuers.internal]\nkind = \"internal\"\ncommon_name = \"Example Internal CA\"\n";

#[test]
fn configurations_are_good() {
    let environment = Environment::with_credentials("/run/credentials/keyturn.service");
    let mut count = 0;
    for block in blocks().iter().filter(|block| block.language == "toml") {
        let whole = block.text.contains("[issuers.") || !block.text.contains("[certificates.");
        let text = if whole { block.text.clone() } else { format!("{AUTHORITY}{}", block.text) };
        let config = Config::parse_in(&text, Path::new("/etc/keyturn/keyturn.toml"), &environment);
        config.unwrap_or_else(|errors| panic!("{}: {errors}", block.place()));
        count += 1;
    }
    assert!(count >= 5, "{count} configurations");
    for example in ["quickstart", "swarm"] {
        let file = root().join("examples").join(example).join("keyturn.toml");
        Config::load(&file).unwrap_or_else(|errors| panic!("{errors}"));
    }
}

/// Links from page to page, and to their headings.
#[test]
fn links_lead_somewhere() {
    for page in PAGES {
        let folder = root().join(page).parent().unwrap().to_owned();
        let text = fs::read_to_string(root().join(page)).unwrap();
        let targets =
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with("http")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { root().join(page) } else { folder.join(file) };
            assert!(file.exists(), "{page}: {target}");
            let anchor = |line: &str| {
                line.trim_start_matches(['#', ' '])
                    .to_lowercase()
                    .replace(' ', "-")
                    .replace(|sign: char| !sign.is_alphanumeric() && !"-_".contains(sign), "")
            };
            let there = || {
                fs::read_to_string(&file)
                    .unwrap()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading)
            };
            assert!(heading.is_empty() || there(), "{page}: {target}");
        }
    }
}

/// The units are good, and closed to what they need not. systemd is on most machines, and not on all.
#[test]
fn systemd_takes_the_units() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return support::skipped("docs::systemd_takes_the_units", "`systemd-analyze` is not installed");
    }
    for unit in ["keyturn.service", "keyturn-run.service", "keyturn-failed@.service"] {
        systemd_takes(unit);
    }
}

fn systemd_takes(unit: &str) {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("systemd")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let text = fs::read_to_string(&path).unwrap();
            // It looks for the program, which is not installed here.
            let text = text.replace("=keyturn ", &format!("={} ", env!("CARGO_BIN_EXE_keyturn")));
            fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
        }
    }
    let analyze = |args: &[&str], units: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        command.args(args).args(units.iter().map(|unit| folder.path().join(unit)));
        // Units name each other.
        let output =
            command.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display())).output().unwrap();
        Ran::new(output.status, &output.stdout, &output.stderr)
    };
    let with = match unit {
        "keyturn.service" => vec![unit, "keyturn.socket"],
        "keyturn-run.service" => vec![unit, "keyturn-run.timer"],
        _ => vec!["keyturn-failed@keyturn.service.service"],
    };
    let verified = analyze(&["verify"], &with);
    assert!(verified.ok() && !verified.stderr.contains("keyturn"), "{verified:#?}");
    let exposed = analyze(&["security", "--offline=true", "--threshold=20"], &with[..1]);
    assert!(exposed.ok(), "more than 2.0 of 10 is open: {exposed:#?}");
}

/// The page and the code know the same providers and keys.
#[test]
fn the_table_of_dns_providers_is_that_of_the_code() {
    let page = fs::read_to_string(root().join("docs/dns.md")).unwrap();
    let table = page.lines().skip_while(|line| !line.starts_with("<!-- providers:"));
    let shown: Vec<&str> = table.skip(3).take_while(|line| line.starts_with('|')).collect();
    let wanted: Vec<String> = dns_providers().iter().map(row).collect();
    assert_eq!(shown, wanted, "docs/dns.md should have\n{}\n", wanted.join("\n"));
}

fn row(provider: &DnsProviderSpec) -> String {
    let (mut needed, mut optional) = (Vec::new(), Vec::new());
    for key in provider.keys {
        match key.need {
            DnsKeyNeed::Required => needed.push(format!("`{}`", key.written())),
            DnsKeyNeed::Unless(other) => needed.push(format!("`{}` (or `{other}`)", key.written())),
            DnsKeyNeed::Optional => optional.push(format!("`{}`", key.written())),
        }
    }
    format!("| `{}` | {} | {} |", provider.name, needed.join(", "), optional.join(", "))
}
