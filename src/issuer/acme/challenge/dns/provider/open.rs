//! How each provider's interface is opened: one line a provider, in the order of the configuration's table
//! (config/dns_providers). The keys that a line asks for are the ones that stand there; a test compares.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dns_update::providers::azuredns::{AzureDnsConfig, AzureEnvironment};
use dns_update::providers::bluecatv2::BluecatV2Config;
use dns_update::providers::edgedns::EdgeDnsConfig;
use dns_update::providers::google_cloud_dns::GoogleCloudDnsConfig;
use dns_update::providers::infoblox::InfobloxConfig;
use dns_update::providers::joker::JokerAuth;
use dns_update::providers::lightsail::LightsailConfig;
use dns_update::providers::oraclecloud::OracleCloudConfig;
use dns_update::providers::ovh::OvhEndpoint;
use dns_update::providers::route53::Route53Config;
use dns_update::providers::volcengine::VolcengineConfig;
use dns_update::providers::yandexcloud::YandexCloudConfig;
use dns_update::{DnsUpdater, Error, TsigAlgorithm};

use super::keys::Keys;

/// For one request.
const WAIT: Option<Duration> = Some(Duration::from_secs(30));

type Open = fn(&Keys) -> dns_update::Result<DnsUpdater>;

/// Opens the provider that the configuration calls `name`.
///
/// # Errors
///
/// What the provider's client does not like about a key.
pub(super) fn open(name: &str, keys: &Keys) -> Result<DnsUpdater, String> {
    let found = PROVIDERS.iter().find(|(known, _)| *known == name);
    let (_, open) = found.ok_or_else(|| format!("there is no DNS provider `{name}`"))?;
    open(keys).map_err(|error| format!("{name}: {}", keys.hidden(&error)))
}

pub(super) const PROVIDERS: &[(&str, Open)] = &[
    ("alidns", alidns),
    ("arvancloud", |k| DnsUpdater::new_arvancloud(k.of("api_key"), WAIT)),
    ("autodns", autodns),
    ("azuredns", azuredns),
    ("baiducloud", |k| DnsUpdater::new_baiducloud(k.of("access_key_id"), k.of("secret_access_key"), WAIT)),
    ("bluecatv2", bluecatv2),
    ("bunny", |k| DnsUpdater::new_bunny(k.of("api_key"), WAIT)),
    ("cloudflare", |k| DnsUpdater::new_cloudflare(k.of("token"), WAIT)),
    ("cloudns", cloudns),
    ("constellix", |k| DnsUpdater::new_constellix(k.of("api_key"), k.of("secret_key"), WAIT)),
    ("cpanel", |k| DnsUpdater::new_cpanel(k.of("server"), k.of("username"), k.of("token"), WAIT)),
    ("ddnss", |k| DnsUpdater::new_ddnss(k.of("key"), WAIT)),
    ("desec", |k| DnsUpdater::new_desec(k.of("token"), WAIT)),
    ("digitalocean", |k| DnsUpdater::new_digitalocean(k.of("token"), WAIT)),
    ("dnsimple", |k| DnsUpdater::new_dnsimple(k.of("token"), k.of("account_id"), WAIT)),
    ("dnsmadeeasy", |k| DnsUpdater::new_dnsmadeeasy(k.of("api_key"), k.of("api_secret"), WAIT)),
    ("domeneshop", |k| DnsUpdater::new_domeneshop(k.of("api_token"), k.of("api_secret"), WAIT)),
    ("dreamhost", |k| DnsUpdater::new_dreamhost(k.of("api_key"), WAIT)),
    ("duckdns", |k| DnsUpdater::new_duckdns(k.of("token"), WAIT)),
    ("dynu", |k| DnsUpdater::new_dynu(k.of("api_key"), WAIT)),
    ("easydns", |k| DnsUpdater::new_easydns(k.of("token"), k.of("key"), WAIT)),
    ("edgedns", edgedns),
    ("exoscale", |k| DnsUpdater::new_exoscale(k.of("api_key"), k.of("api_secret"), WAIT)),
    ("freemyip", |k| DnsUpdater::new_freemyip(k.of("token"), WAIT)),
    ("gandiv5", |k| DnsUpdater::new_gandiv5(k.of("token"), WAIT)),
    ("gcloud", gcloud),
    ("gcore", |k| DnsUpdater::new_gcore(k.of("api_token"), WAIT)),
    ("glesys", |k| DnsUpdater::new_glesys(k.of("api_user"), k.of("api_key"), WAIT)),
    ("godaddy", |k| DnsUpdater::new_godaddy(k.of("api_key"), k.of("api_secret"), WAIT)),
    ("hetzner", |k| DnsUpdater::new_hetzner(k.of("api_token"), WAIT)),
    ("hostingde", |k| DnsUpdater::new_hostingde(k.of("api_key"), WAIT)),
    ("hostinger", |k| DnsUpdater::new_hostinger(k.of("api_token"), WAIT)),
    ("huaweicloud", huaweicloud),
    ("hurricane", hurricane),
    ("ibmcloud", |k| DnsUpdater::new_ibmcloud(k.of("username"), k.of("api_key"), WAIT)),
    ("infoblox", infoblox),
    ("infomaniak", |k| DnsUpdater::new_infomaniak(k.of("access_token"), WAIT)),
    ("inwx", |k| DnsUpdater::new_inwx(k.of("username"), k.of("password"), k.flag("sandbox"), WAIT)),
    ("ionos", |k| DnsUpdater::new_ionos(k.of("api_key"), WAIT)),
    ("ipv64", |k| DnsUpdater::new_ipv64(k.of("api_key"), WAIT)),
    ("joker", joker),
    ("lightsail", lightsail),
    ("linode", |k| DnsUpdater::new_linode(k.of("token"), WAIT)),
    ("luadns", |k| DnsUpdater::new_luadns(k.of("api_username"), k.of("api_token"), WAIT)),
    ("mythicbeasts", |k| DnsUpdater::new_mythicbeasts(k.of("username"), k.of("password"), WAIT)),
    ("namecheap", namecheap),
    ("namedotcom", |k| DnsUpdater::new_namedotcom(k.of("username"), k.of("api_token"), WAIT)),
    ("namesilo", |k| DnsUpdater::new_namesilo(k.of("api_key"), WAIT)),
    ("netcup", netcup),
    ("netlify", |k| DnsUpdater::new_netlify(k.of("access_token"), WAIT)),
    ("nifcloud", |k| DnsUpdater::new_nifcloud(k.of("access_key_id"), k.of("secret_access_key"), WAIT)),
    ("ns1", |k| DnsUpdater::new_ns1(k.of("api_key"), WAIT)),
    ("oraclecloud", oraclecloud),
    ("ovh", ovh),
    ("pdns", |k| DnsUpdater::new_pdns(k.of("api_key"), k.maybe("endpoint"), k.maybe("server_name"), WAIT)),
    ("plesk", |k| DnsUpdater::new_plesk(k.of("server"), k.of("api_key"), WAIT)),
    ("porkbun", |k| DnsUpdater::new_porkbun(k.of("api_key"), k.of("secret_api_key"), WAIT)),
    ("rfc2136", rfc2136),
    ("route53", route53),
    ("safedns", |k| DnsUpdater::new_safedns(k.of("token"), WAIT)),
    ("scaleway", |k| DnsUpdater::new_scaleway(k.of("api_token"), WAIT)),
    ("selectelv2", selectelv2),
    ("simply", |k| DnsUpdater::new_simplycom(k.of("account_name"), k.of("api_key"), WAIT)),
    ("spaceship", |k| DnsUpdater::new_spaceship(k.of("api_key"), k.of("api_secret"), WAIT)),
    ("tencentcloud", tencentcloud),
    ("transip", |k| {
        DnsUpdater::new_transip(k.of("login"), k.whole("private_key"), k.flag("global_key"), WAIT)
    }),
    ("ultradns", ultradns),
    ("vercel", |k| DnsUpdater::new_vercel(k.of("token"), k.maybe("team_id"), WAIT)),
    ("volcengine", volcengine),
    ("vultr", |k| DnsUpdater::new_vultr(k.of("api_key"), WAIT)),
    ("websupport", |k| DnsUpdater::new_websupport(k.of("api_key"), k.of("secret"), WAIT)),
    ("yandexcloud", yandexcloud),
    ("zoneee", |k| DnsUpdater::new_zoneeu(k.of("username"), k.of("api_key"), WAIT)),
];

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn alidns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let (id, secret) = (k.of("access_key_id"), k.of("secret_access_key"));
    DnsUpdater::new_alidns(id, secret, k.maybe("region"), k.maybe("security_token"), k.maybe("line"), WAIT)
}

fn autodns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let context = k.maybe("context").and_then(|number| number.parse().ok());
    DnsUpdater::new_autodns(k.of("username"), k.of("password"), context, WAIT)
}

fn azuredns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_azuredns(AzureDnsConfig {
        tenant_id: k.of("tenant_id").to_owned(),
        client_id: k.of("client_id").to_owned(),
        client_secret: k.of("client_secret").to_owned(),
        subscription_id: k.of("subscription_id").to_owned(),
        resource_group: k.of("resource_group").to_owned(),
        environment: AzureEnvironment::from_str_lossy(k.maybe("environment").unwrap_or_default()),
        request_timeout: WAIT,
    })
}

fn bluecatv2(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_bluecatv2(BluecatV2Config {
        server_url: k.of("server").to_owned(),
        username: k.of("username").to_owned(),
        password: k.of("password").to_owned(),
        config_name: k.of("config_name").to_owned(),
        view_name: k.of("view_name").to_owned(),
        skip_deploy: k.flag("skip_deploy"),
        request_timeout: WAIT,
    })
}

fn cloudns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_cloudns(k.maybe("auth_id"), k.maybe("sub_auth_id"), k.of("auth_password"), WAIT)
}

fn edgedns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_edgedns(EdgeDnsConfig {
        host: k.of("host").to_owned(),
        client_token: k.of("client_token").to_owned(),
        client_secret: k.of("client_secret").to_owned(),
        access_token: k.of("access_token").to_owned(),
        account_switch_key: owned(k.maybe("account_switch_key")),
        request_timeout: WAIT,
    })
}

fn gcloud(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_google_cloud_dns(GoogleCloudDnsConfig {
        service_account_json: k.whole("service_account").to_owned(),
        project_id: k.of("project").to_owned(),
        managed_zone: owned(k.maybe("managed_zone")),
        private_zone: k.flag("private_zone"),
        impersonate_service_account: owned(k.maybe("impersonate")),
        request_timeout: WAIT,
    })
}

fn huaweicloud(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_huaweicloud(k.of("access_key_id"), k.of("secret_access_key"), k.of("region"), WAIT)
}

/// Each record of Hurricane Electric has a key of its own; the zone's name leads to it.
fn hurricane(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let lines = k.whole("credentials").lines().filter_map(|line| line.split_once(':'));
    let plain = |text: &str| text.trim().to_owned();
    DnsUpdater::new_hurricane(lines.map(|(zone, key)| (plain(zone), plain(key))).collect(), WAIT)
}

fn infoblox(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_infoblox(InfobloxConfig {
        host: k.of("host").to_owned(),
        port: owned(k.maybe("port")),
        username: k.of("username").to_owned(),
        password: k.of("password").to_owned(),
        wapi_version: owned(k.maybe("wapi_version")),
        dns_view: owned(k.maybe("dns_view")),
        request_timeout: WAIT,
    })
}

fn joker(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let (key, user, password) = (k.maybe("api_key"), k.maybe("username"), k.maybe("password"));
    let auth = match (key, user, password) {
        (Some(key), ..) => JokerAuth::ApiKey(key.to_owned()),
        (None, Some(username), Some(password)) => {
            JokerAuth::UsernamePassword { username: username.to_owned(), password: password.to_owned() }
        }
        _ => return Err(Error::Client("neither api_key_file nor username and password_file".to_owned())),
    };
    DnsUpdater::new_joker(auth, WAIT)
}

fn lightsail(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_lightsail(LightsailConfig {
        access_key_id: k.of("access_key_id").to_owned(),
        secret_access_key: k.of("secret_access_key").to_owned(),
        session_token: owned(k.maybe("session_token")),
        region: owned(k.maybe("region")),
        domain: owned(k.maybe("domain")),
        request_timeout: WAIT,
    })
}

fn namecheap(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let (user, key, client) = (k.of("api_user"), k.of("api_key"), k.of("client_ip"));
    DnsUpdater::new_namecheap(user, key, client, k.maybe("username"), WAIT)
}

fn netcup(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_netcup(k.of("customer_number"), k.of("api_key"), k.of("api_password"), WAIT)
}

fn oraclecloud(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_oraclecloud(OracleCloudConfig {
        tenancy_ocid: k.of("tenancy_ocid").to_owned(),
        user_ocid: k.of("user_ocid").to_owned(),
        fingerprint: k.of("fingerprint").to_owned(),
        private_key_pem: k.whole("private_key").to_owned(),
        private_key_password: None,
        region: k.of("region").to_owned(),
        compartment_ocid: k.of("compartment_ocid").to_owned(),
        request_timeout: WAIT,
    })
}

fn ovh(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let endpoint: OvhEndpoint = k.of("endpoint").parse()?;
    let (key, secret) = (k.of("application_key"), k.of("application_secret"));
    DnsUpdater::new_ovh(key, secret, k.of("consumer_key"), endpoint, WAIT)
}

/// By TCP: a signed update does not always fit into a datagram.
fn rfc2136(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let key = STANDARD.decode(k.of("key"));
    let key = key.map_err(|_| Error::Client("key_file holds no base64".to_owned()))?;
    let algorithm = match k.maybe("algorithm") {
        Some("hmac-sha384") => TsigAlgorithm::HmacSha384,
        Some("hmac-sha512") => TsigAlgorithm::HmacSha512,
        _ => TsigAlgorithm::HmacSha256,
    };
    DnsUpdater::new_rfc2136_tsig(format!("tcp://{}", k.of("server")), k.of("key_name"), key, algorithm)
}

fn route53(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_route53(Route53Config {
        access_key_id: k.of("access_key_id").to_owned(),
        secret_access_key: k.of("secret_access_key").to_owned(),
        session_token: owned(k.maybe("session_token")),
        region: owned(k.maybe("region")),
        hosted_zone_id: owned(k.maybe("hosted_zone_id")),
        private_zone_only: Some(k.flag("private_zone")),
        endpoint: owned(k.maybe("endpoint")),
    })
}

fn selectelv2(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let (user, password) = (k.of("username"), k.of("password"));
    DnsUpdater::new_selectel(user, password, k.of("account_id"), k.of("project_id"), WAIT)
}

fn tencentcloud(k: &Keys) -> dns_update::Result<DnsUpdater> {
    let (id, secret) = (k.of("secret_id"), k.of("secret_key"));
    DnsUpdater::new_tencentcloud(id, secret, k.maybe("region"), k.maybe("session_token"), WAIT)
}

fn ultradns(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_ultradns(k.of("username"), k.of("password"), owned(k.maybe("endpoint")), WAIT)
}

fn volcengine(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_volcengine(VolcengineConfig {
        access_key: k.of("access_key_id").to_owned(),
        secret_key: k.of("secret_access_key").to_owned(),
        region: owned(k.maybe("region")),
        host: owned(k.maybe("host")),
        scheme: None,
        request_timeout: WAIT,
    })
}

fn yandexcloud(k: &Keys) -> dns_update::Result<DnsUpdater> {
    DnsUpdater::new_yandexcloud(YandexCloudConfig {
        iam_token_b64: k.of("iam_token").to_owned(),
        folder_id: k.of("folder_id").to_owned(),
        request_timeout: WAIT,
    })
}
