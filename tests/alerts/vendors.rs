//! Payloads with 500 items and hostile text, checked by the vendors' own libraries.

use std::path::Path;

use jiff::Timestamp;
use keyturn::model::{AssetId, AssetKind, Code, Event, Item, Message, Phase, Severity};
use keyturn::notify::{discord, mattermost, slack, teams, telegram};
use serde_json::{Value, json};

use super::support::{bots_python, chat_node, chat_python, command, fed, skipped};

const HOSTILE: &str = "<!channel> @everyone *b* [l](https://evil.example) \u{202e} \" \\ </b> 🔥";

fn message(items: usize) -> Message {
    let item = |number: usize| Item {
        event: Event::Failure,
        severity: Severity::Critical,
        phase: Phase::Opened,
        asset: Some(AssetId::new(AssetKind::Certificate, format!("edge-{number}"))),
        revision: None,
        code: Some(Code::RolloutFailed),
        text: HOSTILE.repeat(8),
        at: Timestamp::UNIX_EPOCH,
        since: None,
    };
    Message {
        instance: "prod".to_owned(),
        id: "prod-ops-1-0".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        items: (0..items).map(item).collect(),
        dropped: 7,
        brief: false,
    }
}

fn faults(vendor: &str, payload: &Value) -> Vec<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/alerts");
    let script = |name: &str| scripts.join(name).display().to_string();
    let checker = match vendor {
        "telegram" => command(bots_python().unwrap().to_str().unwrap(), [script("validate_telegram.py")]),
        "slack" => command(chat_python().unwrap().to_str().unwrap(), [script("validate.py")]),
        vendor => {
            let folder = chat_node().unwrap().display().to_string();
            command("node", [script("validate.js"), vendor.to_owned(), folder])
        }
    };
    let ran = fed(checker, payload.to_string().as_bytes());
    assert!(ran.ok(), "{vendor}: {ran:#?}");
    serde_json::from_value(ran.json()).unwrap()
}

#[test]
fn slack_takes_it() {
    if chat_python().is_none() {
        return skipped("slack_takes_it", "slack_sdk of PyPI is not installed (scripts/install-test-deps)");
    }
    for items in [0, 1, 5, 6, 500] {
        assert_eq!(faults("slack", &slack::payload(&message(items))), [] as [String; 0], "{items} items");
    }
    let mut bad = slack::payload(&message(1));
    bad["blocks"][1]["text"]["text"] = "x".repeat(3001).into();
    assert_eq!(faults("slack", &bad).len(), 1, "the check checks");
}

#[test]
fn discord_takes_it() {
    if chat_node().is_none() {
        return skipped(
            "discord_takes_it",
            "@discordjs/builders of npm is not installed (scripts/install-test-deps)",
        );
    }
    for items in [1, 5, 6, 500] {
        assert_eq!(faults("discord", &discord::payload(&message(items))), [] as [String; 0], "{items} items");
    }
    let mut bad = discord::payload(&message(1));
    bad["embeds"][0]["description"] = "x".repeat(4097).into();
    assert_eq!(faults("discord", &bad).len(), 1, "the check checks");
}

#[test]
fn teams_takes_it() {
    if chat_node().is_none() {
        return skipped(
            "teams_takes_it",
            "adaptivecards of npm is not installed (scripts/install-test-deps)",
        );
    }
    for items in [1, 5, 6, 500] {
        assert_eq!(faults("teams", &teams::payload(&message(items))), [] as [String; 0], "{items} items");
    }
    let mut bad = teams::payload(&message(1));
    bad["attachments"][0]["content"]["body"][0]["inlines"][0]["weight"] = json!("Fat");
    bad["attachments"][0]["content"]["body"][1]["type"] = json!("RichTextBlok");
    assert_eq!(faults("teams", &bad).len(), 2, "the check checks");
}

/// aiogram has Telegram's methods and their fields from the Bot API's own page, and takes the marks of a text apart as the
/// API does.
#[test]
fn telegram_takes_it() {
    if bots_python().is_none() {
        return skipped("telegram_takes_it", "aiogram of PyPI is not installed (scripts/install-test-deps)");
    }
    let payload = |items| telegram::payload(&message(items), "-1001234567890");
    for items in [0, 1, 5, 6, 500] {
        assert_eq!(faults("telegram", &payload(items)), [] as [String; 0], "{items} items");
    }
    let bad = |change: &dyn Fn(&mut Value)| {
        let mut bad = payload(1);
        change(&mut bad);
        faults("telegram", &bad).len()
    };
    assert_eq!(bad(&|one| one["parse_mode"] = "Markdwn".into()), 1, "the check checks");
    assert_eq!(bad(&|one| one["link_preview_options"]["is_disabld"] = true.into()), 1);
    assert_eq!(bad(&|one| one["tekst"] = one["text"].take()), 2);
    assert_eq!(bad(&|one| one["text"] = "<b>open".into()), 1);
    assert_eq!(bad(&|one| one["text"] = "a < b".into()), 1);
    assert_eq!(bad(&|one| one["text"] = "x".repeat(4097).into()), 1);
}

/// No library of the vendor's reads what an incoming webhook gets. These are the fields, and their JSON types, of
/// `IncomingWebhookRequest` in the server's own source (server/public/model/incoming_webhook.go), which ignores others; and
/// the length of a post (model/post.go), over which the server splits it.
#[test]
fn mattermost_knows_every_field() {
    const KNOWN: [&str; 9] =
        ["text", "username", "icon_url", "channel", "props", "attachments", "type", "icon_emoji", "priority"];
    const LONGEST_POST: usize = 16_383;
    for items in [0, 1, 5, 6, 500] {
        let payload = mattermost::payload(&message(items));
        for (field, value) in payload.as_object().unwrap() {
            assert!(KNOWN.contains(&field.as_str()) && value.is_string(), "{field}: {value}");
        }
        let text = payload["text"].as_str().unwrap();
        assert!(!text.is_empty() && text.chars().count() <= LONGEST_POST, "{items} items");
        assert!(payload["username"].as_str().unwrap().len() <= 64);
        assert!(!text.contains("@everyone") && !text.contains("](https://evil"), "{text}");
    }
}
