//! What every channel's payload holds to: the vendor's limits with 500 items, and hostile text as text.

use jiff::Timestamp;
use serde_json::Value;

use super::{discord, email, matrix, mattermost, slack, teams, telegram, webhook};
use crate::model::{AssetId, AssetKind, Code, Event, Item, Message, Phase, Severity};

/// What a CA, an engine or a command could say.
const HOSTILE: &str = "<!channel> <b>x</b> @everyone *b* _i_ `c` [l](https://evil.example) &amp; \u{202e} \" ' </blockquote> ~s~ ||s|| <@123> http://evil.example";

fn item(number: usize) -> Item {
    Item {
        event: Event::Failure,
        severity: Severity::Warning,
        phase: Phase::Opened,
        asset: Some(AssetId::new(AssetKind::Certificate, format!("edge-{number}"))),
        revision: None,
        code: Some(Code::RolloutFailed),
        text: format!("{HOSTILE} {}", "x".repeat(400)),
        at: Timestamp::UNIX_EPOCH,
        since: None,
    }
}

fn message(items: usize) -> Message {
    Message {
        instance: "prod".to_owned(),
        id: "prod-ops-1-0".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        items: (0..items).map(item).collect(),
        dropped: 0,
        brief: false,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// "and N more", with the right N for what is shown.
fn says_how_many_are_left(shown: &str, all: usize) {
    let seen = shown.matches("edge-").count() + shown.matches("edge\\-").count();
    assert!(seen > 5 && seen < all, "{seen} of {all}");
    assert!(shown.contains(&format!("and {} more", all - seen)), "{seen} are shown:\n{shown}");
}

#[test]
fn five_hundred_items_fit_into_every_limit() {
    let message = message(500);
    let payload = slack::payload(&message);
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    assert!(text(&blocks[0]["text"]["text"]).chars().count() <= 150);
    let sections: Vec<&str> = blocks[1..].iter().map(|block| text(&block["text"]["text"])).collect();
    assert!(sections.iter().all(|section| section.chars().count() <= 3000));
    says_how_many_are_left(&sections.join("\n"), 500);

    let payload = mattermost::payload(&message);
    assert!(text(&payload["text"]).chars().count() <= 16_383);
    says_how_many_are_left(text(&payload["text"]), 500);

    let payload = discord::payload(&message);
    let embed = &payload["embeds"][0];
    assert!(text(&embed["title"]).chars().count() <= 256);
    assert!(text(&embed["description"]).encode_utf16().count() <= 4096);
    says_how_many_are_left(text(&embed["description"]), 500);

    let payload = teams::payload(&message);
    assert!(payload.to_string().len() <= 28 * 1024, "{}", payload.to_string().len());
    says_how_many_are_left(&payload.to_string(), 500);

    let payload = telegram::payload(&message, "1");
    assert!(text(&payload["text"]).encode_utf16().count() <= 4096);
    says_how_many_are_left(text(&payload["text"]), 500);

    let payload = matrix::payload(&message);
    assert!(payload.to_string().len() <= 60_000, "{}", payload.to_string().len());
    says_how_many_are_left(text(&payload["body"]), 500);
    says_how_many_are_left(text(&payload["formatted_body"]), 500);

    let payload = webhook::payload(&message);
    assert_eq!((payload["items"].as_array().unwrap().len(), &payload["more"]), (200, &300.into()));

    let mail = email::text(&message);
    assert!(mail.len() <= 50_200 && mail.contains("and ") && mail.contains(" more: `keyturn status`"));
}

#[test]
fn one_item_of_the_greatest_length_is_not_lost() {
    let mut message = message(1);
    message.items[0].text = "<&>".repeat(200);
    for shown in [
        slack::payload(&message).to_string(),
        mattermost::payload(&message).to_string(),
        discord::payload(&message).to_string(),
        teams::payload(&message).to_string(),
        telegram::payload(&message, "1").to_string(),
        matrix::payload(&message).to_string(),
        email::text(&message),
    ] {
        assert!(shown.contains("edge") && !shown.contains("more: "), "{shown}");
    }
}

#[test]
fn hostile_text_stays_text() {
    let message = message(1);
    let slack = slack::payload(&message).to_string();
    for live in ["<!channel>", "<@123>", "<b>", " *b* ", " _i_ "] {
        assert!(!slack.contains(live), "{live}: {slack}");
    }
    let mattermost = mattermost::payload(&message);
    for live in ["@everyone", " *b* ", "[l](", " `c` ", "https://evil", "http://evil"] {
        assert!(!text(&mattermost["text"]).contains(live), "{live}: {mattermost}");
    }
    let discord = discord::payload(&message);
    assert_eq!(discord["allowed_mentions"]["parse"], Value::Array(Vec::new()));
    for live in ["@everyone", " *b* ", "[l](", "<@123>", "||s||", "http://evil"] {
        assert!(!text(&discord["embeds"][0]["description"]).contains(live), "{live}: {discord}");
    }
    let telegram = telegram::payload(&message, "1");
    for live in ["<b>x", "</blockquote> ~", "@everyone", "<@123>"] {
        assert!(!text(&telegram["text"]).contains(live), "{live}: {telegram}");
    }
    let matrix = matrix::payload(&message);
    for live in ["<b>", "</blockquote> ~", "<!channel>"] {
        assert!(!text(&matrix["formatted_body"]).contains(live), "{live}: {matrix}");
    }
    let teams = teams::payload(&message).to_string();
    assert!(!teams.contains("TextBlock"), "only text runs, which are no Markdown");
}

#[test]
fn what_was_refused_is_told_in_few_words() {
    let message = Message { brief: true, ..message(3) };
    for shown in [
        slack::payload(&message).to_string(),
        discord::payload(&message).to_string(),
        teams::payload(&message).to_string(),
        telegram::payload(&message, "1").to_string(),
        matrix::payload(&message).to_string(),
        mattermost::payload(&message).to_string(),
        webhook::payload(&message).to_string(),
    ] {
        assert!(
            !shown.contains("everyone") && shown.contains("3 warning") && shown.contains("more"),
            "{shown}"
        );
    }
}

#[test]
fn a_signature_that_anyone_can_check() {
    let at = Timestamp::from_second(1_700_000_000).unwrap();
    // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    assert_eq!(
        webhook::signature(b"key", at, b"{}"),
        "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    );
}
