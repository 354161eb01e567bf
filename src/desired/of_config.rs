//! From the validated configuration: every default filled in, every threshold computed.

use std::time::Duration;

use jiff::SignedDuration;

use super::{
    AcmeSpec, AssetSpec, CaSpec, CertificateSpec, CrlSpec, Desired, FileSpec, IssuerRef, KindSpec, Overlap,
    Places, TargetSpec, Turn, Verify, Windows,
};
use crate::config::{self, Config, DhSource, KeyRotation, RenewBefore, Services, Target};
use crate::model::{AssetId, AssetKind, Few, Hook, Listener, Listeners, Reload};

/// Long enough for "never": what has no end and no rotation.
const NEVER: SignedDuration = SignedDuration::from_hours(24 * 36_500);

/// DH parameters wait this share of their window for another rollout to ride on.
const RIDE_SHARE: i32 = 4;

/// What a test and a reload may take where there is neither.
const NO_COMMAND: Duration = Duration::from_secs(30);

impl Desired {
    /// What `config` asks for.
    pub fn of(config: &Config) -> Self {
        let authorities = config.internal_cas().keys().map(|name| authority(config, name));
        let certificates = config.certificates().values().map(|one| certificate(config, one));
        let jwt_keys = config.jwt_keys().values().map(jwt_key);
        let dh_params = config.dh_params().values().map(dh_params);
        let assets = authorities.chain(certificates).chain(jwt_keys).chain(dh_params);
        Self {
            instance: config.daemon().instance().to_owned(),
            retention: config.delivery().retention(),
            rollout_deadline: config.delivery().rollout_deadline(),
            stock: config.keys().stock(),
            windows: Windows::of(config.schedule()),
            acme: config.acme_issuers().iter().map(acme).collect(),
            assets: assets.map(|spec| (spec.id.clone(), spec)).collect(),
            listeners: listeners(config),
        }
    }
}

fn listeners(config: &Config) -> Listeners {
    let channel = |(name, channel): (&String, &config::Channel)| {
        let shown = matches!(channel.kind(), config::ChannelKind::Alertmanager { .. });
        (name.clone(), Listener { events: channel.events().clone(), least: channel.least(), shown })
    };
    let hook = |hook: &config::Hook| Hook {
        moment: hook.moment(),
        assets: hook.assets().to_vec(),
        command: hook.command().argv().to_vec(),
        timeout: Duration::try_from(hook.command().timeout()).unwrap_or(NO_COMMAND),
    };
    Listeners {
        channels: config.channels().iter().map(channel).collect(),
        hooks: config.hooks().iter().map(hook).collect(),
    }
}

fn acme((name, issuer): (&String, &config::AcmeIssuer)) -> (String, AcmeSpec) {
    (name.clone(), AcmeSpec { limits: issuer.limits() })
}

fn authority(config: &Config, name: &str) -> AssetSpec {
    let ca = &config.internal_cas()[name];
    let leaves = config
        .certificates()
        .values()
        .filter(|certificate| certificate.issuers().iter().any(|issuer| issuer == name));
    let signed = ca.sign().iter().map(config::SigningRole::duration);
    let longest =
        leaves.map(config::Certificate::duration).chain(signed).max().unwrap_or(SignedDuration::ZERO);
    let spec = CaSpec {
        common_name: ca.common_name().to_owned(),
        root_lifetime: ca.root_lifetime(),
        intermediate_lifetime: ca.intermediate_lifetime(),
        permitted_dns: ca.permitted_dns().to_vec(),
        root_in_state: !ca.root_is_offline(),
        root_offline: ca.root_is_offline(),
        crl: ca.crl().map(|crl| CrlSpec { lifetime: crl.lifetime(), every: crl.every() }),
    };
    // In time for a whole leaf under it, and a tenth to spare; never later than other certificates are renewed. The next
    // one may have another root, which must be known before.
    let lead = (longest + longest / 10).max(ca.intermediate_lifetime() / 3) + ca.trust_before();
    AssetSpec {
        id: AssetId::new(AssetKind::Ca, name),
        made_for: ca.made_for(),
        kind: KindSpec::Ca(spec),
        overlap: Overlap {
            turn: Turn::Left(lead),
            publish_before: ca.trust_before(),
            linger: longest,
            told: true,
            ..Overlap::NONE
        },
        targets: Vec::new(),
    }
}

fn certificate(all: &Config, config: &config::Certificate) -> AssetSpec {
    let issuer = |name: &String| match name {
        name if all.internal_cas().contains_key(name) => {
            IssuerRef::Internal(AssetId::new(AssetKind::Ca, name))
        }
        name if all.manual_issuers().contains(name) => IssuerRef::Manual(name.clone()),
        name => IssuerRef::Acme(name.clone()),
    };
    let turn = match config.renew_before() {
        RenewBefore::Share { numerator, denominator } => {
            Turn::ShareLeft { of: numerator, parts: denominator }
        }
        RenewBefore::Fixed(lead) => Turn::Left(lead),
    };
    let spec = CertificateSpec {
        issuers: config.issuers().iter().map(issuer).collect(),
        common_name: config.common_name().map(str::to_owned),
        dns_names: config.dns_names().to_vec(),
        ip_addresses: config.ip_addresses().to_vec(),
        usages: config.usages().to_vec(),
        algorithm: config.key_algorithm(),
        keep_key: config.key_rotation() == KeyRotation::Never,
        duration: config.duration(),
    };
    AssetSpec {
        id: config.id(),
        made_for: config.made_for(),
        kind: KindSpec::Certificate(spec),
        overlap: Overlap { turn, ..Overlap::NONE },
        targets: targets(config.targets()),
    }
}

fn jwt_key(config: &config::JwtKey) -> AssetSpec {
    let overlap = Overlap {
        turn: Turn::Every(config.rotate_every()),
        publish_before: config.publish_before().max(config.jwks_max_age()),
        max_age: config.jwks_max_age(),
        linger: config.linger(),
        told: true,
        standby: true,
        rides: SignedDuration::ZERO,
    };
    AssetSpec {
        id: config.id(),
        made_for: config.made_for(),
        kind: KindSpec::JwtKey { jws: config.algorithm(), algorithm: config.key_algorithm() },
        overlap,
        targets: targets(config.targets()),
    }
}

fn dh_params(config: &config::DhParams) -> AssetSpec {
    let every = config.rotate_every();
    let overlap = Overlap {
        turn: Turn::Every(every.unwrap_or(NEVER)),
        rides: every.map_or(SignedDuration::ZERO, |every| every / RIDE_SHARE),
        ..Overlap::NONE
    };
    AssetSpec {
        id: config.id(),
        made_for: config.made_for(),
        kind: KindSpec::DhParams { bits: config.bits(), rfc7919: config.source() == DhSource::Rfc7919 },
        overlap,
        targets: targets(config.targets()),
    }
}

fn targets(targets: &[Target]) -> Vec<TargetSpec> {
    let one = |target: &Target| match target {
        Target::Swarm(target) => swarm(target),
        Target::File(target) => directory(target),
    };
    targets.iter().map(one).collect()
}

fn swarm(target: &config::SwarmTarget) -> TargetSpec {
    let names = match target.services() {
        Services::Named(names) => Some(names.clone()),
        Services::Labelled => None,
    };
    let files: Few<String, FileSpec> = target
        .files()
        .iter()
        .map(|file| {
            let spec = FileSpec::new(file.part(), Some(file.object()), target.password_file());
            (file.path().to_owned(), spec)
        })
        .collect();
    TargetSpec {
        places: Places::Services {
            names,
            preflight: target.preflight().map(|command| command.argv().to_vec()),
        },
        files,
        mode: target.mode(),
        owner: target.uid().map(|uid| uid.to_string()),
        group: target.gid().map(|gid| gid.to_string()),
        verify: target.verify().map(verify),
    }
}

fn directory(target: &config::FileTarget) -> TargetSpec {
    let files = target
        .files()
        .iter()
        .map(|file| (file.name().to_owned(), FileSpec::new(file.part(), None, target.password_file())))
        .collect();
    let (reload, reload_time) = match target.reload() {
        Some(config::Reload::Command(command)) => {
            (Some(Reload::Command(command.argv().to_vec())), Some(command.timeout()))
        }
        Some(config::Reload::Signal { signal, pid_file }) => {
            let (signal, pid_file) = (signal.as_str().trim_start_matches("SIG").to_owned(), pid_file.clone());
            (Some(Reload::Signal { signal, pid_file }), None)
        }
        None => (None, None),
    };
    let times = [target.test().map(config::Command::timeout), reload_time];
    let timeout = times.into_iter().flatten().max().and_then(|time| Duration::try_from(time).ok());
    TargetSpec {
        places: Places::Dir {
            dir: target.dir().to_owned(),
            test: target.test().map(|command| command.argv().to_vec()),
            reload,
            timeout: timeout.unwrap_or(NO_COMMAND),
        },
        files,
        mode: Some(target.mode()),
        owner: target.owner().map(ToString::to_string),
        group: target.group().map(ToString::to_string),
        verify: target.verify().map(verify),
    }
}

fn verify(verify: &config::Verify) -> Verify {
    match verify {
        config::Verify::Handshake { connect, server_name } => Verify::Connect {
            connect: connect.iter().map(ToString::to_string).collect(),
            server_name: server_name.clone(),
        },
        config::Verify::Jwks { url } => Verify::Url(url.to_string()),
    }
}
