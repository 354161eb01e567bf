//! Mail, by SMTP (RFC 5321): plain text, one mail a message.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::words::{self, Words};
use super::{Channel, SendError, http, secret};
use crate::config::{Email as Settings, MailTls};
use crate::model::Message;

/// For each command of the dialogue.
const PATIENCE: Duration = Duration::from_secs(30);

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
        let transport = self.transport().await?;
        let sent = tokio::time::timeout(PATIENCE * 2, transport.send(mail)).await;
        let outcome = sent.map_err(|_| SendError::later("the mail server does not answer in time"))?;
        outcome.map(drop).map_err(|error| said(&error))
    }
}

impl Mail {
    /// To an address that was looked at; the certificate must be for the name.
    async fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>, SendError> {
        let Settings { host, port, tls, login, .. } = &self.settings;
        let in_the_clear = *tls == MailTls::None;
        let found = http::guarded_addresses(host, *port, self.allow_private, in_the_clear).await?;
        let address = found.first().ok_or_else(|| SendError::later(format!("{host} has no address")))?;
        let tls = match tls {
            MailTls::None => Tls::None,
            MailTls::Starttls => Tls::Required(self.tls().await?),
            MailTls::Implicit => Tls::Wrapper(self.tls().await?),
        };
        let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(*port)
            .tls(tls)
            .timeout(Some(PATIENCE))
            .hello_name(ClientId::Domain("keyturn".to_owned()));
        let Some((user, file)) = login else { return Ok(builder.build()) };
        let password = secret::line(file).await?;
        let credentials = Credentials::new(user.clone(), password.expose_str().to_owned());
        Ok(builder.credentials(credentials).build())
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
