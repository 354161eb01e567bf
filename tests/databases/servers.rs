//! The servers, each in the site's folder on a port of the test's own, and how their clients connect.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Keyturn, Port, fingerprint, skipped, wait_for};

/// Whether this machine has what it takes; if not, the test is skipped by name.
pub(crate) fn can_run(name: &str, tools: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let there =
        |tool: &&&str| path.split(':').chain(["/usr/sbin"]).any(|dir| Path::new(dir).join(tool).exists());
    if let Some(tool) = tools.iter().find(|tool| !there(tool)) {
        skipped(name, &format!("`{tool}` is not installed (scripts/install-test-deps)"));
        return false;
    }
    if !nix::unistd::geteuid().is_root() {
        skipped(name, "only root gives files to the server's user");
        return false;
    }
    true
}

/// A server that runs; it ends with this.
pub(crate) struct Server {
    process: Child,
    dir: PathBuf,
    port: u16,
    client: fn(&Client) -> Command,
    /// How `openssl s_client` gets to its handshake.
    starttls: Option<&'static str>,
    /// What the held session asks, and what it gets.
    pub(crate) question: &'static str,
    pub(crate) answer: &'static str,
}

impl Server {
    fn new(keyturn: &Keyturn, port: &Port, mut command: Command, client: fn(&Client) -> Command) -> Self {
        let log = std::fs::File::create(keyturn.dir().join("server.log")).unwrap();
        let process =
            command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).spawn().unwrap();
        let dir = keyturn.dir().to_owned();
        Self { process, dir, port: port.number(), client, starttls: None, question: "", answer: "" }
    }

    fn talks(mut self, starttls: Option<&'static str>, question: &'static str, answer: &'static str) -> Self {
        (self.starttls, self.question, self.answer) = (starttls, question, answer);
        let up = wait_for(Duration::from_secs(60), || self.client().connect().is_ok());
        let log = || std::fs::read_to_string(self.dir.join("server.log")).unwrap();
        assert!(up, "{:?}\n{}", self.client().connect(), log());
        self
    }

    pub(crate) fn client(&self) -> Client {
        self.client_of("client")
    }

    /// The same with the files in another folder of the site's.
    pub(crate) fn client_of(&self, folder: &str) -> Client {
        Client {
            dir: self.dir.join(folder),
            port: self.port,
            command: self.client,
            session: false,
            certificate: true,
        }
    }

    /// A client that reads questions from its standard input.
    pub(crate) fn session(&self) -> Command {
        (self.client)(&Client { session: true, ..self.client() })
    }

    pub(crate) fn connects(&self) {
        self.client().connect().unwrap();
    }

    pub(crate) fn connects_without_certificate(&self) -> bool {
        Client { certificate: false, ..self.client() }.connect().is_ok()
    }

    /// The fingerprint of the leaf that a new connection is shown.
    pub(crate) fn served(&self) -> String {
        let mut client = Command::new("openssl");
        client.args([
            "s_client",
            "-connect",
            &format!("127.0.0.1:{}", self.port),
            "-servername",
            "localhost",
        ]);
        client.args(self.starttls.into_iter().flat_map(|protocol| ["-starttls", protocol]));
        let output = client.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let der =
            keyturn::pki::pem::decode("CERTIFICATE", &text).unwrap_or_else(|error| panic!("{error}: {text}"));
        fingerprint(&der)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // PostgreSQL waits for its clients on TERM, so INT; the others do not mind.
        let _ = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        if !wait_for(Duration::from_secs(20), || self.process.try_wait().unwrap().is_some()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// How to connect, with a client certificate.
pub(crate) struct Client {
    dir: PathBuf,
    port: u16,
    command: fn(&Self) -> Command,
    session: bool,
    certificate: bool,
}

impl Client {
    /// One new connection, one question, the right answer.
    pub(crate) fn connect(&self) -> Result<(), String> {
        let output = (self.command)(self).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // redis-cli ends well whatever happens.
        if output.status.success() && !text.contains("rror") { Ok(()) } else { Err(text) }
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

fn at(keyturn: &Keyturn, name: &str) -> String {
    keyturn.dir().join(name).display().to_string()
}

/// Runs a preparation to its end.
fn must(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:#?}");
}

fn as_user(user: &str, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups", "--"])
        .arg(program);
    command
}

fn data_of(user: &str, keyturn: &Keyturn) -> String {
    let data = at(keyturn, "data");
    std::fs::create_dir(&data).unwrap();
    must(Command::new("chown").args([&format!("{user}:{user}"), &data]));
    data
}

/// Its programs are in a folder of its version.
fn postgresql_program(name: &str) -> PathBuf {
    find_postgresql_program(name).expect("it was looked for before")
}

fn find_postgresql_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max()
}

/// The server is looked for by itself: a machine may have its client alone.
pub(crate) fn can_run_postgresql() -> bool {
    if find_postgresql_program("initdb").is_none() {
        skipped("postgresql", "its server is not installed (scripts/install-test-deps)");
        return false;
    }
    can_run("postgresql", &["psql"])
}

pub(crate) fn postgresql(keyturn: &Keyturn, port: &Port) -> Server {
    let data = data_of("postgres", keyturn);
    must(as_user("postgres", &postgresql_program("initdb")).args(["-D", &data, "-A", "peer", "-N"]));
    let rules = "local all all peer\nhostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n";
    std::fs::write(Path::new(&data).join("pg_hba.conf"), rules).unwrap();
    let mut command = as_user("postgres", &postgresql_program("postgres"));
    command.args([
        "-D",
        &data,
        "-p",
        &port.to_string(),
        "-k",
        &data,
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "ssl=on",
    ]);
    for (key, file) in [("ssl_cert_file", "tls.crt"), ("ssl_key_file", "tls.key"), ("ssl_ca_file", "ca.crt")]
    {
        command.args(["-c", &format!("{key}={}", at(keyturn, &format!("tls/{file}")))]);
    }
    Server::new(keyturn, port, command, psql).talks(Some("postgres"), "select 'an' || 'swer';\n", "answer")
}

fn psql(client: &Client) -> Command {
    let mut connection = format!(
        "host=localhost hostaddr=127.0.0.1 port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
        client.port,
        client.file("ca.crt"),
    );
    let pair = format!(" sslcert={} sslkey={}", client.file("tls.crt"), client.file("tls.key"));
    connection.push_str(if client.certificate { &pair } else { " sslcert=/nowhere" });
    let mut command = Command::new("psql");
    command.args(["-XqtA", "-d", &connection]);
    if !client.session {
        command.args(["-c", "select 1"]);
    }
    command
}

pub(crate) fn mariadb(keyturn: &Keyturn, port: &Port) -> Server {
    let data = data_of("mysql", keyturn);
    let socket = format!("{data}/db.sock");
    must(Command::new("mariadb-install-db").args([
        "--no-defaults",
        "--user=mysql",
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
        &format!("--datadir={data}"),
    ]));
    let mut command = Command::new("/usr/sbin/mariadbd");
    command.args(["--no-defaults", "--user=mysql", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
    command.args([format!("--datadir={data}"), format!("--socket={socket}"), format!("--port={port}")]);
    for (key, file) in [("cert", "tls.crt"), ("key", "tls.key"), ("ca", "ca.crt")] {
        command.arg(format!("--ssl-{key}={}", at(keyturn, &format!("tls/{file}"))));
    }
    let server = Server::new(keyturn, port, command, mariadb_client);
    let account = "create user app@'%' require x509";
    let made = || {
        let client = Command::new("mariadb").args(["--no-defaults", "-S", &socket, "-e", account]).output();
        client.unwrap().status.success()
    };
    assert!(
        wait_for(Duration::from_secs(60), made),
        "{}",
        std::fs::read_to_string(at(keyturn, "server.log")).unwrap()
    );
    server.talks(Some("mysql"), "select concat('an', 'swer');\n", "answer")
}

fn mariadb_client(client: &Client) -> Command {
    let mut command = Command::new("mariadb");
    command.args([
        "--no-defaults",
        "--protocol=tcp",
        "-h",
        "localhost",
        "-P",
        &client.port.to_string(),
        "-u",
        "app",
    ]);
    command.args(["--ssl-verify-server-cert", "-sNn", &format!("--ssl-ca={}", client.file("ca.crt"))]);
    if client.certificate {
        command.arg(format!("--ssl-cert={}", client.file("tls.crt")));
        command.arg(format!("--ssl-key={}", client.file("tls.key")));
    }
    if !client.session {
        command.args(["-e", "select 1"]);
    }
    command
}

pub(crate) fn redis(keyturn: &Keyturn, port: &Port) -> Server {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--bind", "127.0.0.1", "--save", "", "--tls-port", &port.to_string()]);
    command.args(["--dir", &at(keyturn, ""), "--unixsocket", &at(keyturn, "redis.sock")]);
    for (key, file) in [("cert", "tls.crt"), ("key", "tls.key"), ("ca-cert", "ca.crt")] {
        command.args([&format!("--tls-{key}-file"), &at(keyturn, &format!("tls/{file}"))]);
    }
    Server::new(keyturn, port, command, redis_cli).talks(None, "ECHO answer\n", "answer")
}

fn redis_cli(client: &Client) -> Command {
    let mut command = Command::new("redis-cli");
    command.args([
        "--tls",
        "-h",
        "localhost",
        "-p",
        &client.port.to_string(),
        "--cacert",
        &client.file("ca.crt"),
    ]);
    if client.certificate {
        command.args(["--cert", &client.file("tls.crt"), "--key", &client.file("tls.key")]);
    }
    if !client.session {
        command.args(["ECHO", "answer"]);
    }
    command
}

pub(crate) fn haproxy(keyturn: &Keyturn, port: &Port) -> Server {
    let dir = at(keyturn, "");
    let config = keyturn.write(
        "haproxy.cfg",
        &format!(
            "global\n  stats socket {dir}admin.sock level admin expose-fd listeners\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n  \
             timeout http-keep-alive 1h\n\
             frontend edge\n  bind 127.0.0.1:{port} ssl crt {dir}tls/edge.pem ca-file {dir}tls/ca.crt verify required\n  \
             http-request return status 204\n"
        ),
    );
    let mut command = Command::new("/usr/sbin/haproxy");
    command.args(["-W", "-S", &at(keyturn, "master.sock")]).arg("-f").arg(config);
    Server::new(keyturn, port, command, http).talks(
        None,
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "204 No Content",
    )
}

fn http(client: &Client) -> Command {
    let pair = [client.file("tls.crt"), client.file("tls.key")];
    if client.session {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost"]);
        command.args(["-connect", &format!("127.0.0.1:{}", client.port), "-CAfile", &client.file("ca.crt")]);
        command.args(["-cert", &pair[0], "-cert_chain", &pair[0], "-key", &pair[1]]);
        return command;
    }
    let mut command = Command::new("curl");
    command.args([
        "-sSf",
        "--cacert",
        &client.file("ca.crt"),
        &format!("https://localhost:{}/", client.port),
    ]);
    if client.certificate {
        command.args(["--cert", &pair[0], "--key", &pair[1]]);
    }
    command
}
