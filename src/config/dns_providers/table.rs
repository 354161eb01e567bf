//! The table itself: one line a key, in the order of the alphabet.

use super::{DnsProviderSpec, Key, flag, number, secret, text, url, word};

/// Algorithms of TSIG (RFC 8945 §6) that are not broken.
const TSIG: &[&str] = &["hmac-sha256", "hmac-sha384", "hmac-sha512"];
const AZURE: &[&str] = &["public", "china", "usgovernment"];
const OVH: &[&str] =
    &["ovh-eu", "ovh-us", "ovh-ca", "kimsufi-eu", "kimsufi-ca", "soyoustart-eu", "soyoustart-ca"];

const API_KEY: Key = secret("api_key", "the account's API key");
const API_SECRET: Key = secret("api_secret", "the secret that belongs to the API key");
const API_TOKEN: Key = secret("api_token", "an API token that may edit the zone's records");
const TOKEN: Key = secret("token", "an API token that may edit the zone's records");
const USERNAME: Key = text("username", "the account's user, such as \"keyturn\"");
const PASSWORD: Key = secret("password", "the user's password");
const ACCESS_KEY_ID: Key = text("access_key_id", "the access key's id, such as \"AKIAIOSFODNN7EXAMPLE\"");
const SECRET_ACCESS_KEY: Key = secret("secret_access_key", "the access key's secret");
const SESSION_TOKEN: Key = secret("session_token", "the token of a temporary access key").optional();

const fn provider(name: &'static str, keys: &'static [Key]) -> DnsProviderSpec {
    DnsProviderSpec { name, keys, keeps_one: false }
}

const fn keeps_one(name: &'static str, keys: &'static [Key]) -> DnsProviderSpec {
    DnsProviderSpec { keeps_one: true, ..provider(name, keys) }
}

pub(super) const PROVIDERS: &[DnsProviderSpec] = &[
    provider(
        "acme-dns",
        &[
            url("server", "the acme-dns server's API, such as \"https://auth.example.org\""),
            secret("account", "the accounts, as JSON; registered and written where the file is not there"),
        ],
    ),
    provider(
        "alidns",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            secret("security_token", "the token of a temporary access key (STS)").optional(),
            text("region", "the region, such as \"cn-hangzhou\"").optional(),
            text("line", "the resolution line, such as \"default\"").optional(),
        ],
    ),
    provider("arvancloud", &[API_KEY]),
    provider(
        "autodns",
        &[USERNAME, PASSWORD, number("context", "the account's context; 4 without it").optional()],
    ),
    provider(
        "azuredns",
        &[
            text("tenant_id", "the directory's id"),
            text("client_id", "the application's id"),
            secret("client_secret", "the application's secret"),
            text("subscription_id", "the subscription that the zone is in"),
            text("resource_group", "the resource group that the zone is in"),
            word("environment", AZURE, "which cloud; public without it").optional(),
        ],
    ),
    provider("baiducloud", &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]),
    provider(
        "bluecatv2",
        &[
            url("server", "Address Manager's own address, such as \"https://bam.example.org\""),
            USERNAME,
            PASSWORD,
            text("config_name", "the configuration that the zone is in"),
            text("view_name", "the DNS view that the zone is in"),
            flag("skip_deploy", "whether changes are left for someone else to deploy"),
        ],
    ),
    provider("bunny", &[API_KEY]),
    provider("cloudflare", &[TOKEN]),
    provider(
        "cloudns",
        &[
            text("auth_id", "the API user's id").unless("sub_auth_id"),
            text("sub_auth_id", "the API sub-user's id").optional(),
            secret("auth_password", "the API user's password"),
        ],
    ),
    provider("constellix", &[API_KEY, secret("secret_key", "the secret that belongs to the API key")]),
    provider(
        "cpanel",
        &[
            url("server", "cPanel's own address, such as \"https://cpanel.example.org:2083\""),
            USERNAME,
            TOKEN,
        ],
    ),
    keeps_one("ddnss", &[secret("key", "the update key")]),
    provider("desec", &[TOKEN]),
    provider("digitalocean", &[TOKEN]),
    provider("dnsimple", &[TOKEN, text("account_id", "the account's number, such as \"1010\"")]),
    provider("dnsmadeeasy", &[API_KEY, API_SECRET]),
    provider("domeneshop", &[API_TOKEN, API_SECRET]),
    provider("dreamhost", &[API_KEY]),
    keeps_one("duckdns", &[secret("token", "the account's token")]),
    provider("dynu", &[API_KEY]),
    provider(
        "easydns",
        &[secret("token", "the API token"), secret("key", "the key that belongs to the token")],
    ),
    provider(
        "edgedns",
        &[
            text("host", "the API's host, such as \"akab-x.luna.akamaiapis.net\""),
            secret("client_token", "the API client's token"),
            secret("client_secret", "the API client's secret"),
            secret("access_token", "the authorization's access token"),
            text("account_switch_key", "the account to act for").optional(),
        ],
    ),
    provider("exoscale", &[API_KEY, API_SECRET]),
    keeps_one("freemyip", &[secret("token", "the domain's token")]),
    provider("gandiv5", &[secret("token", "a personal access token that may manage the zone")]),
    provider(
        "gcloud",
        &[
            secret("service_account", "the service account's key, as JSON"),
            text("project", "the project's id, such as \"example-project\""),
            text("managed_zone", "the managed zone's name; found without it").optional(),
            flag("private_zone", "whether only private zones are looked at"),
            text("impersonate", "the email of the service account to act as").optional(),
        ],
    ),
    provider("gcore", &[API_TOKEN]),
    provider("glesys", &[text("api_user", "the project's name, such as \"cl12345\""), API_KEY]),
    provider("godaddy", &[API_KEY, API_SECRET]),
    provider("hetzner", &[secret("api_token", "a token of the Cloud project that the zone is in")]),
    provider("hostingde", &[API_KEY]),
    provider("hostinger", &[API_TOKEN]),
    provider(
        "huaweicloud",
        &[ACCESS_KEY_ID, SECRET_ACCESS_KEY, text("region", "the region, such as \"eu-west-101\"")],
    ),
    keeps_one(
        "hurricane",
        &[secret("credentials", "lines of ZONE:KEY, the key being the record's DDNS key")],
    ),
    provider("ibmcloud", &[text("username", "the account's classic user, such as \"123456_ops\""), API_KEY]),
    provider(
        "infoblox",
        &[
            text("host", "the grid master's host, such as \"infoblox.example.org\""),
            number("port", "its port; 443 without it").optional(),
            USERNAME,
            PASSWORD,
            text("wapi_version", "the API's version, such as \"2.11\"").optional(),
            text("dns_view", "the DNS view that the zone is in").optional(),
        ],
    ),
    provider("infomaniak", &[secret("access_token", "a token with the scope of domains")]),
    provider("inwx", &[USERNAME, PASSWORD, flag("sandbox", "whether the test system is meant")]),
    provider("ionos", &[secret("api_key", "the API key, as PREFIX.SECRET")]),
    provider("ipv64", &[API_KEY]),
    provider(
        "joker",
        &[
            secret("api_key", "the account's API key").unless("username"),
            text("username", "the account's user").unless("api_key_file"),
            secret("password", "the user's password").unless("api_key_file"),
        ],
    ),
    provider(
        "lightsail",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            SESSION_TOKEN,
            text("region", "the region; us-east-1 without it").optional(),
            text("domain", "the domain's entry in Lightsail; the zone without it").optional(),
        ],
    ),
    provider("linode", &[secret("token", "a personal access token that may write domains")]),
    provider("luadns", &[text("api_username", "the account's email address"), API_TOKEN]),
    provider(
        "mythicbeasts",
        &[text("username", "the API key's id"), secret("password", "the API key's secret")],
    ),
    provider(
        "namecheap",
        &[
            text("api_user", "the API user"),
            API_KEY,
            text(
                "client_ip",
                "this machine's address as Namecheap has it on its list, such as \"192.0.2.7\"",
            ),
            text("username", "the account's user; the API user without it").optional(),
        ],
    ),
    provider("namedotcom", &[USERNAME, API_TOKEN]),
    provider("namesilo", &[API_KEY]),
    provider(
        "netcup",
        &[
            text("customer_number", "the customer's number, such as \"12345\""),
            API_KEY,
            secret("api_password", "the API's password"),
        ],
    ),
    provider("netlify", &[secret("access_token", "a personal access token")]),
    provider("nifcloud", &[ACCESS_KEY_ID, SECRET_ACCESS_KEY]),
    provider("ns1", &[API_KEY]),
    provider(
        "oraclecloud",
        &[
            text("tenancy_ocid", "the tenancy's OCID"),
            text("user_ocid", "the user's OCID"),
            text("fingerprint", "the API key's fingerprint"),
            secret("private_key", "the API key, PEM (PKCS#8, without a passphrase)"),
            text("region", "the region, such as \"eu-frankfurt-1\""),
            text("compartment_ocid", "the OCID of the compartment that the zone is in"),
        ],
    ),
    provider(
        "ovh",
        &[
            secret("application_key", "the application's key"),
            secret("application_secret", "the application's secret"),
            secret("consumer_key", "the consumer key that the application was given"),
            word("endpoint", OVH, "whose API, such as \"ovh-eu\""),
        ],
    ),
    provider(
        "pdns",
        &[
            secret("api_key", "the API key (`api-key` of pdns.conf)"),
            url("endpoint", "the API's address; http://localhost:8081 without it").optional(),
            text("server_name", "the server's id in the API; localhost without it").optional(),
        ],
    ),
    provider(
        "plesk",
        &[
            url("server", "Plesk's own address, such as \"https://plesk.example.org:8443\""),
            secret("api_key", "a secret key of Plesk's API"),
        ],
    ),
    provider("porkbun", &[API_KEY, secret("secret_api_key", "the secret that belongs to the API key")]),
    provider(
        "rfc2136",
        &[
            text("server", "the primary name server, such as \"192.0.2.53:53\""),
            text("key_name", "the TSIG key's name, such as \"keyturn\""),
            secret("key", "the TSIG key in base64"),
            word("algorithm", TSIG, "the TSIG key's algorithm; hmac-sha256 without it").optional(),
        ],
    ),
    provider(
        "route53",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            SESSION_TOKEN,
            text("region", "the region; us-east-1 without it").optional(),
            text("hosted_zone_id", "the hosted zone's id; found without it").optional(),
            flag("private_zone", "whether only private zones are looked at"),
            url("endpoint", "the API's address; https://route53.amazonaws.com without it").optional(),
        ],
    ),
    provider("safedns", &[TOKEN]),
    provider("scaleway", &[secret("api_token", "an API key's secret that may write domains")]),
    provider(
        "selectelv2",
        &[
            text("username", "the service user's name"),
            PASSWORD,
            text("account_id", "the account's number"),
            text("project_id", "the project that the zone is in"),
        ],
    ),
    provider("simply", &[text("account_name", "the account's name, such as \"S123456\""), API_KEY]),
    provider("spaceship", &[API_KEY, API_SECRET]),
    provider(
        "tencentcloud",
        &[
            text("secret_id", "the API key's id"),
            secret("secret_key", "the API key's secret"),
            secret("session_token", "the token of a temporary API key").optional(),
            text("region", "the region, such as \"ap-guangzhou\"").optional(),
        ],
    ),
    provider(
        "transip",
        &[
            text("login", "the account's user"),
            secret("private_key", "the API key, PEM"),
            flag("global_key", "whether the key may be used from any address"),
        ],
    ),
    provider(
        "ultradns",
        &[
            USERNAME,
            PASSWORD,
            url("endpoint", "the API's address; https://api.ultradns.com without it").optional(),
        ],
    ),
    provider("vercel", &[TOKEN, text("team_id", "the team that the domain belongs to").optional()]),
    provider(
        "volcengine",
        &[
            ACCESS_KEY_ID,
            SECRET_ACCESS_KEY,
            text("region", "the region; cn-north-1 without it").optional(),
            text("host", "the API's host").optional(),
        ],
    ),
    provider("vultr", &[API_KEY]),
    provider("websupport", &[API_KEY, secret("secret", "the secret that belongs to the API key")]),
    provider(
        "yandexcloud",
        &[
            secret("iam_token", "the service account's key (JSON), in base64"),
            text("folder_id", "the folder that the zone is in"),
        ],
    ),
    provider("zoneee", &[USERNAME, API_KEY]),
];
