//! Mail, by SMTP (RFC 5321): plain text, one mail a message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use super::words::{self, Words};
use super::{Channel, SendError, reach, secret};
use crate::config::{Email as Settings, MailTls};
use crate::model::Message;

/// For a connection; twice that for the dialogue.
const PATIENCE: Duration = Duration::from_secs(30);

/// For the last word of a server that has the mail.
const PARTING: Duration = Duration::from_secs(5);

/// So many addresses of a server are tried.
const MOST_ADDRESSES: usize = 4;

/// Bytes of a mail's text: nobody reads more.
const LIMIT: usize = 50_000;

/// One list of recipients.
pub struct Mail {
    /// How it is sent.
    pub settings: Settings,
    /// Whether the server may be at an address of a private network.
    pub allow_private: bool,
    /// Roots that are trusted beside the machine's; PEM.
    pub ca_file: Option<PathBuf>,
}

#[async_trait]
impl Channel for Mail {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mail = mail(message, &self.settings)?;
        let mut server = self.connect().await?;
        let dialogue = async {
            self.log_in(&mut server).await?;
            server.send(mail.envelope(), &mail.formatted()).await.map_err(|error| said(&error))
        };
        let sent = tokio::time::timeout(PATIENCE * 2, dialogue).await;
        sent.map_err(|_| SendError::later("the mail server does not answer in time"))??;
        // It has the mail, whatever comes of this.
        let _ = tokio::time::timeout(PARTING, server.quit()).await;
        Ok(())
    }
}

impl Mail {
    /// To the first of the addresses that answers: each was looked at, and the certificate must be for the name.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let Settings { host, port, tls, .. } = &self.settings;
        let in_the_clear = *tls == MailTls::None;
        let found = reach::guarded_addresses(host, *port, self.allow_private, in_the_clear).await?;
        self.connect_to(&found[..found.len().min(MOST_ADDRESSES)], PATIENCE).await
    }

    /// One that does not answer must not keep us from the others.
    async fn connect_to(
        &self,
        found: &[SocketAddr],
        patience: Duration,
    ) -> Result<AsyncSmtpConnection, SendError> {
        let mut failed = SendError::later("the mail server has no address");
        for (tried, address) in found.iter().enumerate() {
            let more = tried + 1 < found.len();
            let patience = if more { patience / 2 } else { patience };
            match tokio::time::timeout(patience, self.greet(*address)).await {
                Ok(Ok(server)) => return Ok(server),
                Ok(Err(error)) => failed = error,
                Err(_) => failed = SendError::later(format!("{} does not answer in time", address.ip())),
            }
            if more {
                tracing::debug!("mail goes to the next address: {failed}");
            }
        }
        Err(failed)
    }

    /// Encrypted from here on, where it is to be.
    async fn greet(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, SendError> {
        let hello = self.settings.hello.clone().map_or_else(|| own_name(address), ClientId::Domain);
        let connect = async |tls| {
            let connected = AsyncSmtpConnection::connect_tokio1(address, Some(PATIENCE), &hello, tls, None);
            connected.await.map_err(|error| said(&error))
        };
        match self.settings.tls {
            MailTls::None => connect(None).await,
            MailTls::Implicit => connect(Some(self.tls().await?)).await,
            MailTls::Starttls => {
                let (parameters, mut server) = (self.tls().await?, connect(None).await?);
                server.starttls(parameters, &hello).await.map_err(|error| said(&error))?;
                Ok(server)
            }
        }
    }

    async fn log_in(&self, server: &mut AsyncSmtpConnection) -> Result<(), SendError> {
        let Some((user, file)) = &self.settings.login else { return Ok(()) };
        let password = secret::line(file).await?;
        let credentials = Credentials::new(user.clone(), password.expose_str().to_owned());
        let done = server.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
        done.map(drop).map_err(|error| said(&error))
    }

    async fn tls(&self) -> Result<TlsParameters, SendError> {
        let mut parameters = TlsParameters::builder(self.settings.host.clone());
        if let Some(file) = &self.ca_file {
            let bad = |why: String| SendError::later(format!("{}: {why}", file.display()));
            let pem = tokio::fs::read(file).await.map_err(|error| bad(error.to_string()))?;
            let root = Certificate::from_pem(&pem).map_err(|error| bad(error.to_string()))?;
            parameters = parameters.add_root_certificate(root);
        }
        parameters.build().map_err(|error| SendError::later(crate::outside::chain(&error)))
    }
}

/// Who we are (RFC 5321 §4.1.1.1): the machine's name where that is a whole one, else the address that it speaks from;
/// servers refuse half a name.
fn own_name(server: SocketAddr) -> ClientId {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    match name.filter(|name| is_whole(name)) {
        Some(name) => ClientId::Domain(name),
        None => match address_towards(server) {
            Some(IpAddr::V6(own)) => ClientId::Ipv6(own),
            Some(IpAddr::V4(own)) => ClientId::Ipv4(own),
            None => ClientId::Ipv4(Ipv4Addr::LOCALHOST),
        },
    }
}

/// `host.example.org`; what every machine is called after its installation is nobody's.
fn is_whole(name: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let labels = name.split('.').all(|label| !label.is_empty());
    letters && labels && name.contains('.') && !name.starts_with("localhost.")
}

/// Nothing is sent: the kernel says which of our addresses a packet there would have.
fn address_towards(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if server.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The server's own words, on one line.
fn said(error: &lettre::transport::smtp::Error) -> SendError {
    let text = crate::outside::chain(error);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    // 552 to 554 are about the mail; other refusals are about who sends it to whom.
    let about_it = error.status().is_some_and(|status| matches!(status.to_string().as_str(), "552" | "554"));
    SendError { message: line, retry_after: None, refused: error.is_permanent() && about_it }
}

/// The mail. Nothing foreign is in its header: the subject counts, it does not quote.
fn mail(message: &Message, settings: &Settings) -> Result<lettre::Message, SendError> {
    let mailbox = |address: &String| {
        address.parse::<Mailbox>().map_err(|error| SendError::later(format!("{address}: {error}")))
    };
    let domain = settings.from.rsplit_once('@').map_or("keyturn", |(_, domain)| domain);
    let subject = format!("{} {}", words::worst(message), words::heading(message));
    let date = SystemTime::UNIX_EPOCH
        + Duration::from_secs(u64::try_from(message.at.as_second()).unwrap_or_default());
    let mut builder: MessageBuilder = lettre::Message::builder()
        .from(mailbox(&settings.from)?)
        .subject(subject)
        .date(date)
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    for to in &settings.to {
        builder = builder.to(mailbox(to)?);
    }
    builder.body(text(message)).map_err(|error| SendError::later(error.to_string()))
}

/// RFC 3834: no holiday reply is wanted.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The mail's text.
pub fn text(message: &Message) -> String {
    let all: Vec<Words> = message.items.iter().filter(|_| !message.brief).map(words::words).collect();
    let pieces = all.iter().map(piece).collect();
    let kept = words::fitting(message, pieces, LIMIT, str::len, str::to_owned);
    format!("{}\n\n{}\n", words::heading(message), kept.join("\n\n"))
}

fn piece(words: &Words) -> String {
    let mut text = format!("{} {}: {}", words.mark, words.who, words.what);
    for more in [words.text.as_str(), words.action].into_iter().filter(|more| !more.is_empty()) {
        text.push_str(&format!("\n    {more}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use super::*;

    /// An address behind which nobody answers, one that refuses, and a server.
    #[tokio::test]
    async fn addresses_are_tried_in_turn() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let all = [silent.local_addr().unwrap(), gone, server.local_addr().unwrap()];
        std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            stream.write_all(b"220 mail.example.org ESMTP\r\n").unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "EHLO keyturn.example.org\r\n");
            stream.write_all(b"250 mail.example.org\r\n").unwrap();
        });
        let settings = Settings {
            host: "mail.example.org".to_owned(),
            port: 25,
            tls: MailTls::None,
            login: None,
            hello: Some("keyturn.example.org".to_owned()),
            from: "a@example.org".to_owned(),
            to: vec!["b@example.org".to_owned()],
        };
        let mail = Mail { settings, allow_private: true, ca_file: None };
        let connected = mail.connect_to(&all, Duration::from_secs(4)).await;
        assert!(connected.is_ok(), "{:?}", connected.err());
        let failed = mail.connect_to(&all[..2], Duration::from_secs(1)).await.err();
        assert!(failed.is_some_and(|error| !error.refused));
    }

    /// Postfix' `reject_non_fqdn_helo_hostname` refuses half a name for ever.
    #[test]
    fn it_says_a_whole_name_or_an_address() {
        for whole in ["web1.example.org", "a.b"] {
            assert!(is_whole(whole), "{whole}");
        }
        for half in ["keyturn", "web1", "", "localhost.localdomain", "web1.", "a b.c", "web_1.example.org"] {
            assert!(!is_whole(half), "{half}");
        }
        let towards = address_towards(SocketAddr::from(([127, 0, 0, 1], 25)));
        assert_eq!(towards, Some(Ipv4Addr::LOCALHOST.into()));
    }
}
