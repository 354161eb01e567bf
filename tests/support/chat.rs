//! Those that people are told by, for real: Alertmanager, a Matrix homeserver, a mail server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::command::{command, fed, must};
use super::daemon::get;
use super::engine::wait_for;
use super::ports::Port;
use super::skip::not_installed;
use super::{Authority, Guarded, venv};

/// Synapse makes its database when it is started first.
const PATIENCE: Duration = Duration::from_secs(60);

fn program(name: &str) -> Option<PathBuf> {
    venv::program_of("-chat", name)
}

/// The Python that has what comes from PyPI for these.
pub fn chat_python() -> Option<PathBuf> {
    program("python")
}

/// The Python that has the Bot API of Telegram.
pub fn bots_python() -> Option<PathBuf> {
    venv::program_of("-bots", "python")
}

/// The folder with what comes from npm.
pub fn chat_node() -> Option<PathBuf> {
    let folder = match std::env::var_os("KEYTURN_TEST_NODE") {
        Some(named) => PathBuf::from(named),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".cache/keyturn-test-node"),
    };
    folder.join("node_modules").exists().then_some(folder)
}

fn missing(name: &str) -> Option<String> {
    venv::missing_of("-chat", name)
}

/// What curl answers, as JSON.
fn asked(args: &[&str]) -> Value {
    let text = must(command("curl", ["-sS", "--max-time", "30"].iter().chain(args)));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
}

/// Prometheus' Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    _process: Guarded,
    port: Port,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    /// Why it cannot be started here.
    pub fn missing() -> Option<String> {
        not_installed(&["prometheus-alertmanager"])
    }

    /// Starts one that tells nobody.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::free(None);
        let config = folder.path().join("config.yml");
        fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n").unwrap();
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", folder.path().display()),
            format!("--web.listen-address={}", port.address()),
            "--cluster.listen-address=".to_owned(),
        ];
        let process =
            Guarded::start(&command("prometheus-alertmanager", args), &folder.path().join("log"), None);
        let ready = || get(port.address(), "/-/ready", "").is_some_and(|answer| answer.status == 200);
        assert!(wait_for(PATIENCE, ready), "Alertmanager is not ready: {}", process.log());
        Self { _process: process, port, _folder: folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// The alerts that are active now.
    pub fn alerts(&self) -> Vec<Value> {
        let answer = asked(&[&format!("{}/api/v2/alerts?active=true", self.url())]);
        answer.as_array().unwrap().clone()
    }
}

/// A Matrix homeserver (Synapse), with a user and a room.
#[derive(Debug)]
pub struct Synapse {
    _process: Guarded,
    port: Port,
    token: String,
    room: String,
    _folder: tempfile::TempDir,
}

impl Synapse {
    /// Why it cannot be started here.
    pub fn missing() -> Option<String> {
        missing("synapse_homeserver").or_else(|| not_installed(&["curl"]))
    }

    /// Starts one that speaks to no other, and makes a user and a room.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::free(None);
        let config = configure(folder.path(), &port);
        let server = program("synapse_homeserver").unwrap();
        let mut run = Command::new(server);
        run.arg("-c").arg(&config).current_dir(folder.path());
        let process = Guarded::start(&run, &folder.path().join("log"), None);
        let ready = || get(port.address(), "/health", "").is_some_and(|answer| answer.status == 200);
        assert!(wait_for(PATIENCE, ready), "Synapse is not ready: {}", process.log());
        let url = format!("http://{}", port.address());
        let mut register = Command::new(program("register_new_matrix_user").unwrap());
        register.args(["-u", "bot", "-p", "secret", "--no-admin", "-c"]).arg(&config).arg(&url);
        must(register);
        let login = json!({
            "type": "m.login.password",
            "identifier": { "type": "m.id.user", "user": "bot" },
            "password": "secret",
        });
        let login = asked(&["-d", &login.to_string(), &format!("{url}/_matrix/client/v3/login")]);
        let token = login["access_token"].as_str().unwrap().to_owned();
        let bearer = format!("Authorization: Bearer {token}");
        let room = asked(&["-H", &bearer, "-d", "{}", &format!("{url}/_matrix/client/v3/createRoom")]);
        let room = room["room_id"].as_str().unwrap().to_owned();
        Self { _process: process, port, token, room, _folder: folder }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.port.address())
    }

    /// The user's access token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The room's ID.
    pub fn room(&self) -> &str {
        &self.room
    }

    /// The messages in the room, oldest first.
    pub fn messages(&self) -> Vec<Value> {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let room = self.room.replace('!', "%21").replace(':', "%3A");
        let url = format!("{}/_matrix/client/v3/rooms/{room}/messages?dir=f&limit=200", self.url());
        let answer = asked(&["-H", &bearer, &url]);
        let events = answer["chunk"].as_array().unwrap().iter();
        events
            .filter(|event| event["type"] == "m.room.message")
            .map(|event| event["content"].clone())
            .collect()
    }
}

fn configure(folder: &Path, port: &Port) -> PathBuf {
    let config = folder.join("homeserver.yaml");
    let shown = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "server_name: test.local\npid_file: {pid}\nlisteners:\n- port: {port}\n  type: http\n  tls: false\n  \
         bind_addresses: ['127.0.0.1']\n  resources:\n  - names: [client]\ndatabase:\n  name: sqlite3\n  args:\n    \
         database: {database}\nmedia_store_path: {media}\nsigning_key_path: {key}\nreport_stats: false\n\
         trusted_key_servers: []\nregistration_shared_secret: shared\nmacaroon_secret_key: macaroon\n\
         form_secret: form\nsuppress_key_server_warning: true\n",
        pid = shown("pid"),
        database = shown("db.sqlite"),
        media = shown("media"),
        key = shown("signing.key"),
    );
    fs::write(&config, text).unwrap();
    let mut keys = Command::new(program("generate_signing_key").unwrap());
    keys.arg("-o").arg(folder.join("signing.key"));
    must(keys);
    config
}

/// A mail server that keeps what it gets; with STARTTLS, by a CA of its own.
#[derive(Debug)]
pub struct MailServer {
    process: Guarded,
    port: Port,
    folder: tempfile::TempDir,
}

/// Keeps each mail in a file, with who it is for.
const KEEPER: &str = r#"
import asyncio, itertools, pathlib, ssl, sys
from aiosmtpd.controller import Controller
folder, port, tls = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "tls"
number = itertools.count(1)
class Keep:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        # As Postfix with reject_non_fqdn_helo_hostname.
        if "." not in hostname and not hostname.startswith("["):
            return ["504 5.5.2 Helo command rejected: need fully-qualified hostname"]
        session.host_name = hostname
        return responses
    async def handle_DATA(self, server, session, envelope):
        text = f"to: {','.join(envelope.rcpt_tos)}\ntls: {session.ssl is not None}\n".encode() + envelope.content
        (folder / f"mail-{next(number):03}").write_bytes(text)
        return "250 kept"
options = {}
if tls:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    options = dict(tls_context=context, require_starttls=True)
Controller(Keep(), hostname="127.0.0.1", port=port, **options).start()
print("ready", flush=True)
asyncio.new_event_loop().run_forever()
"#;

impl MailServer {
    /// Why it cannot be started here.
    pub fn missing() -> Option<String> {
        missing("aiosmtpd")
    }

    /// Starts one on 127.0.0.1; with `tls` it wants STARTTLS, and has a certificate for `localhost`.
    pub fn start(tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = Port::free(None);
        let ca = Authority::root("Mail CA");
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &ca.issuer).unwrap();
        fs::write(folder.path().join("tls.crt"), certificate.pem()).unwrap();
        fs::write(folder.path().join("tls.key"), key.serialize_pem()).unwrap();
        fs::write(folder.path().join("ca.pem"), &ca.certificate).unwrap();
        let mut run = Command::new(chat_python().unwrap());
        run.arg("-c").arg(KEEPER).arg(folder.path()).arg(port.to_string()).arg(if tls {
            "tls"
        } else {
            "plain"
        });
        let process = Guarded::start(&run, &folder.path().join("log"), None);
        assert!(wait_for(PATIENCE, || process.log().contains("ready")), "no mail server: {}", process.log());
        Self { process, port, folder }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// The CA that its certificate comes from; PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The mails that it has got, after two lines of its own: `to:` and `tls:`.
    pub fn mails(&self) -> Vec<String> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("mail-"))
            .collect();
        files.sort();
        files.iter().map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()).collect()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        self.process.log()
    }
}

/// Has Python read `text` as the mail that it is: its subject and its text.
pub fn mail_parts(text: &str) -> (String, String) {
    let read = "import email, email.policy, sys, json\nm = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)\n\
                print(json.dumps([m['subject'], m.get_body().get_content()]))";
    let ran = fed(command("python3", ["-c", read]), text.as_bytes());
    let parts: (String, String) =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
    parts
}
