//! What is wrong, under a code that never changes its meaning.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($variant:ident $name:literal $title:literal $meaning:literal $action:literal)+) => {
        /// A stable problem code. `docs/problems.md` and `keyturn explain` are made from this one table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $name)] $variant,)+
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it stands in status, alerts, logs and metrics: `KT-…`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// In a few words.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means, for someone who sees it for the first time.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }

            /// What to do.
            pub fn action(self) -> &'static str {
                match self { $(Self::$variant => $action),+ }
            }
        }
    };
}

codes! {
    EngineUnreachable "KT-ENGINE-UNREACHABLE" "the Docker engine cannot be reached"
        "Nothing answers on the socket that `docker.socket` names, or we may not open it. Assets with Swarm targets wait; what is deployed goes on being served, and assets with only file targets go on being renewed."
        "Start the engine; check the path in `docker.socket` and that Keyturn's user is in the socket's group."
    EngineNotManager "KT-ENGINE-NOT-MANAGER" "this engine is not a Swarm manager"
        "The engine answers, but it is a worker or in no Swarm at all. Secrets and services can be seen and changed on a manager only."
        "Run Keyturn on a manager, `docker node promote` this node, or `docker swarm init` a Swarm."
    EngineNoQuorum "KT-ENGINE-NO-QUORUM" "the Swarm has no leader"
        "More than half of the managers are gone, or they are just electing a leader. Running containers go on; nothing can be changed until there is a leader."
        "Bring managers back. If they are lost for good: `docker swarm init --force-new-cluster` on one that is left. An election ends by itself within seconds; the next pass goes on."
    EngineFailed "KT-ENGINE-FAILED" "the Docker engine refused or failed a call"
        "The engine answered with an error that Keyturn does not know better. The message has its own words."
        "Read the message and the engine's log (`journalctl -u docker`). The call is repeated with growing pauses."
    ServiceMissing "KT-SERVICE-MISSING" "a target's service is not there"
        "The configuration names a service that the Swarm does not have yet. The objects are made, so that a stack that needs them can be deployed; the revision stays prepared."
        "Deploy the service, or correct `services` of the target."
    ServiceBusy "KT-SERVICE-BUSY" "someone else's update of the service is unfinished"
        "The service's last update is still running, or was paused after a failure. Keyturn starts nothing on top of it while the served revision is good for long enough."
        "Wait for it, or finish it: `docker service ps NAME` shows why it hangs; `docker service rollback NAME` or a good update ends it."
    PathConflict "KT-PATH-CONFLICT" "two references on one target path"
        "Two targets write the same file of one service, for instance one listed by name and one by label."
        "Give them different file names, or remove one of the targets."
    NameTaken "KT-NAME-TAKEN" "a Docker object of that name belongs to someone else"
        "A secret or config with the name that Keyturn wants exists, without Keyturn's labels or with another content. Foreign objects are never changed or deleted."
        "Remove or rename the foreign object, or choose another `daemon.instance` or asset name. The next pass takes the next free number by itself."
    ObjectTooLarge "KT-OBJECT-TOO-LARGE" "the part is larger than a Docker object may be"
        "Docker takes secrets of up to 511,999 bytes and configs of up to 1,023,999 (Engine 20.10)."
        "Deliver a smaller part (for instance `certificate` and `chain` apart), or use a file target."
    PreflightFailed "KT-PREFLIGHT-FAILED" "the check before the rollout failed"
        "The target's `preflight` command, run in a one-off task of the service's own image with the new files, did not exit with 0. No task of the service was touched."
        "Read the command's words in the message; correct the service's configuration or the target's `files`. It is tried again with growing pauses, and at once when the service's spec changes."
    RolloutFailed "KT-ROLLOUT-FAILED" "the service did not take the update"
        "New tasks failed, or the Swarm paused or rolled back the update. The old references have been put back."
        "The message names the task and its words. `docker service ps --no-trunc NAME` has the rest. It is tried again with growing pauses, and at once when the service's spec changes."
    RolloutTimeout "KT-ROLLOUT-TIMEOUT" "the rollout passed its deadline"
        "Tasks were still pending or updating after `delivery.rollout_deadline` (a task that no node can take is pending for ever). The old references have been put back."
        "`docker service ps --no-trunc NAME` says what it waits for: a node, a port, an image, memory."
    ProofFailed "KT-PROOF-FAILED" "the new revision is not what is served"
        "All tasks run with the new references, yet a handshake (or the JWKS) shows something else, or nothing answers. The old references have been put back."
        "Check `verify.connect` and `server_name`, and that the server reads the files that the target writes."
    ProofWeak "KT-PROOF-WEAK" "delivered, but nothing has shown that it is served"
        "The tasks run with the new files, but no handshake has looked: the target has no `verify`, or the service has no running task."
        "Give the target `verify = { connect = [\"host:port\"], server_name = \"…\" }`, or scale the service up."
    PutBackFailed "KT-PUT-BACK-FAILED" "what was there before could not be put back"
        "A rollout failed, and undoing it failed too. It is tried again on the next pass."
        "Look at it now. Of a service: `docker service inspect NAME`, `docker service rollback NAME`. Of a directory: its links, its permissions, the disk."
    FileFailed "KT-FILE-FAILED" "the files could not be written"
        "The target's directory could not be written, does not answer, or owner or mode could not be set. What was there is unchanged."
        "Read the message: disk space, permissions, whether the process may give files to that owner; where it does not answer, the mount that it is on. It is asked again as soon as the call that hangs has come back."
    FileTestFailed "KT-FILE-TEST-FAILED" "the test of the new files failed"
        "The target's `test` command did not exit with 0 with the new files in place. The old files have been put back; the new ones were never reloaded."
        "Read the command's words in the message and correct what it complains of."
    ReloadFailed "KT-RELOAD-FAILED" "the reload failed"
        "The new files passed their test, but the reload command, signal or unit failed. The old files have been put back."
        "Read the message; try the reload by hand."
    Drift "KT-DRIFT" "someone has changed what Keyturn delivered"
        "The service no longer names the objects that were proven in it: an operator's rollback, or a `docker stack deploy` from an old file. Keyturn leaves it as it is until the next rotation."
        "Run `keyturn rotate ASSET` to take it up again; name the current objects in the stack file."
    PasswordFile "KT-PASSWORD-FILE" "the password of a PKCS#12 file cannot be read"
        "The file that a target's `password_file` names is not there, cannot be read, or holds no usable password. What was delivered with the password before stays."
        "Read the message. The file holds one line of printable ASCII; Keyturn's user must be able to read it. `keyturn config check` tells beforehand."
    IssueFailed "KT-ISSUE-FAILED" "the issuer gave no certificate"
        "The issuer refused or could not be reached. What is served stays served; the same key is tried again with growing pauses."
        "Read the message. If it names the configuration, correct it; otherwise the next try may work."
    IssuerUnreachable "KT-ISSUER-UNREACHABLE" "the CA cannot be reached, or fails"
        "The ACME CA does not answer, its TLS is not trusted, or it answers with an error of its own. What is served stays served. The certificate's next issuer is tried, where it has one; then it is tried again with growing pauses."
        "Read the message: the network, a proxy, `ca_file`; or wait for the CA (see its status page)."
    IssuerLimited "KT-ISSUER-LIMITED" "the CA wants to be left alone for a while"
        "The CA has answered that there were too many requests, orders or certificates, or has paused a name. Nothing is asked of it before the time it has named (a day at most at once). The certificate's next issuer is tried, where it has one."
        "Usually nothing: it goes on by itself. `keyturn status` shows what of the limits is used; fewer certificates with more names each need less of them. A paused name is unpaused by the CA's own link in the message."
    ChallengeFailed "KT-CHALLENGE-FAILED" "the CA has not found the proof of control"
        "The CA looked for the answer to its challenge (in a file over HTTP, in a TLS handshake, or in DNS) and did not find it. Each such failure counts against the CA's limits, so it is tried again with growing pauses."
        "The message has the CA's own words and the name. http-01: does port 80 of that name lead to the listener? tls-alpn-01: port 443? dns-01: is the zone served by the name servers that are written to? Then `keyturn rotate ASSET`."
    OrderPending "KT-ORDER-PENDING" "the CA is still at work on the order"
        "The order is placed and proven; the CA has not finished the certificate yet. The same order is taken up again, no new one is placed."
        "Nothing. If it stays so for a day, ask the CA; the order's URL is in the message."
    CertificateRevoked "KT-CERTIFICATE-REVOKED" "the CA has revoked what is in use"
        "The certificate in use is on its CA's revocation list, or the CA's renewal information says to replace it at once. A new one is being issued."
        "Nothing, once: it replaces itself. The CA's explanation, where it gives one, is in the message."
    RevokeFailed "KT-REVOKE-FAILED" "a certificate could not be revoked"
        "The issuer could not be reached or has refused. It is tried again."
        "Read the message. A certificate that has ended need not be revoked."
    RevokeByHand "KT-REVOKE-BY-HAND" "a person has to have a certificate revoked"
        "A certificate that a person carries is to be revoked, since its key is in wrong hands or you have asked for it. Keyturn cannot ask that CA: until it is done whoever has the key is believed. The new key is made; its request is what `keyturn csr ASSET` prints."
        "Have the CA that the message names revoke the serial number, and issue for the request. Then `keyturn import ASSET --cert FILE` takes the new certificate, and `keyturn revoke ASSET --revision N --done` notes that the old one is revoked. Of a CA: import its root's new revocation list (`--crl`) instead."
    MaterialBad "KT-MATERIAL-BAD" "what was issued is not what was asked for"
        "The certificate does not fit its key, its names, its uses, its dates or its chain, or a CA above it may not sign for them. The revision has failed and is never delivered."
        "Look at the issuer. A new revision is tried with growing pauses."
    GenerateFailed "KT-GENERATE-FAILED" "a key or parameters could not be generated"
        "The generator stopped: no randomness, cancelled, or out of memory."
        "Read the message; it is tried again with growing pauses."
    AuthorityMissing "KT-CA-NOT-READY" "the CA cannot sign yet"
        "The internal CA that should sign has no active revision, or its own problem stands in the way."
        "See `keyturn status ca/NAME`."
    AuthorityEnding "KT-CA-ENDING" "the CA ends before what it should sign"
        "The root ends soon, and its key is not in the state: certificates under it get shorter and shorter, and in the end none can be made. A root whose key is in the state is rolled over by itself."
        "Plan a new internal CA under another name, distribute its root, and point the certificates at it."
    CrlLate "KT-CRL-LATE" "the CA's revocation lists are overdue, or end soon"
        "The next edition of the revocation lists should have been made by now; or a place still has an older one, of whose life less than a third is left; or the list that a person has to bring (of an offline root) ends; or the next edition cannot be made, and the message says why. Who checks lists (NGINX with `ssl_crl`) refuses everybody once they have ended; the message says when."
        "`keyturn run` makes and delivers them. If it is said again, the other problems of the CA and of its certificates say what is in the way. The list of an offline root: `keyturn import ca/NAME --crl FILE`. If clients are refused already: take `ssl_crl` out until the new list is there."
    Overdue "KT-OVERDUE" "the renewal is overdue"
        "What is in use should have been replaced by now, and has not been, though no try has failed: it waits, or the CA makes it wait. Where a try has failed, its problem stands alone."
        "`keyturn plan` says what it waits for, and until when."
    Expiring "KT-EXPIRING" "what is in use ends soon"
        "Less than a fifth of its life is left."
        "The asset's other problems say what is in the way; `keyturn rotate ASSET` tries at once."
    Expired "KT-EXPIRED" "what is in use has ended"
        "Clients refuse it now."
        "`keyturn rotate ASSET` tries at once; the asset's other problems say what is in the way."
    NotConfigured "KT-NOT-CONFIGURED" "the state holds an asset that the configuration no longer has"
        "It is not renewed any more. What was delivered stays where it is; nothing is deleted."
        "Put it back into the configuration, or remove its references from the services."
    StateRepaired "KT-STATE-REPAIRED" "the state was repaired when it was opened"
        "The index did not open or did not agree with the journal and was rebuilt from it, or a half-written last frame was cut off after a crash."
        "Nothing, once. If it comes again, check the disk."
    StateBehind "KT-STATE-BEHIND" "the state has lost steps that it once had"
        "The journal ends before what its index has seen: its end was cut off, or an old copy was put back. What those steps have done is looked for in the world, and done again where it is not there."
        "Find out who or what has changed the state folder; check the disk. Compare `keyturn status` with what is deployed."
    AuditBroken "KT-AUDIT-BROKEN" "the history is not as it was written"
        "A line of audit.log was changed, dropped or added, and the journal does not have it so. The work goes on, and the history with it; the fault stays for all to see."
        "`keyturn audit --verify` names the line. Compare with a copy of the file; find out who can write to the state folder."
    Unsettled "KT-UNSETTLED" "a pass did not come to rest"
        "The same work kept coming up again and again: a fault in Keyturn. The pass was ended; nothing is lost."
        "Please report it, with the output of `keyturn plan -o json` and `keyturn run -vv`."
    ConfigRejected "KT-CONFIG-REJECTED" "the new configuration is not used"
        "The daemon was told to read its configuration again (SIGHUP), and the file has faults, or changes in `[daemon]` what needs a restart. The configuration before it goes on."
        "`keyturn config check` names each fault with its line. Correct them and reload; where the message says that a restart is needed, restart, or take the change back."
    NotifyFailed "KT-NOTIFY-FAILED" "a channel takes no messages"
        "A channel of `[notify]` could not be reached, or refuses what it is sent. What it is to be told waits (at most 1,000 messages; the oldest mere information gives way first), and is tried again with growing pauses. Renewals do not wait for it."
        "Read the message, then `keyturn notify test NAME`: the address or the token in its file, the network, `allow_private` for an address of your own network."
    HookFailed "KT-HOOK-FAILED" "a hook has failed"
        "A command of `[[hooks]]` did not exit with 0 in time. What it was run for has happened nonetheless. It is run again with growing pauses, for a day. What is given up after that, or because 10,000 other runs waited, is counted in the message and listed by `keyturn audit` (`hook-given-up`)."
        "Read the command's words in the message and the log; run it by hand with the same environment (docs/alerts.md)."
    ApprovalWaits "KT-APPROVAL-WAITS" "a request waits for another person's word"
        "Somebody has asked for something that `[approvals]` guards. It is not done before another user, of `[roles] approve`, has said yes; until then nothing has changed."
        "`keyturn approvals` shows who asks for what, and until when. `keyturn approve ID` or `keyturn deny ID`, as yourself: root approves nothing, and nobody their own."
    ClockBack "KT-CLOCK-BACK" "the clock stands before what the state has seen"
        "The state holds a time that is later than now by more than a day. Nothing is issued, rotated or deleted by such a clock."
        "Set the clock (NTP). If the state's time is wrong, wait for it to pass, or put an older copy of the state folder back."
    // What only `doctor` finds: it is no alert, for it does not begin or end by itself.
    StatePosture "KT-STATE-POSTURE" "the state or its key may be read or changed by others"
        "The state holds private keys. Keyturn refuses to open a state, or a state key, that is a symlink, another user's, or open to group or others."
        "The message says which file and what to do: `chown` it to Keyturn's user, `chmod 0700` the folder and `0600` its files."
    StateUnreadable "KT-STATE-UNREADABLE" "the state does not open"
        "Another key than the one it was sealed under, a file that is gone, damage, or a newer version's state. Nothing was written; what is deployed goes on being served, and nothing is renewed."
        "The message says which. docs/3am.md has what to do for each: find the right key, put back a copy of the state, or begin a new state."
    StateKeyBeside "KT-STATE-KEY-BESIDE" "the state's key lies in the state's folder"
        "Who copies the folder, for a backup or as a thief, has the private keys too: the seal is worth nothing there. If the disk is lost, both are."
        "Move the file to where only root reads it and name it as `daemon.state_key_file`; under systemd better a credential (docs/state.md). Keep a copy apart from the state's."
    DiskLow "KT-DISK-LOW" "there is little room on a disk that is written to"
        "Less than 5% or 100 MiB is free where the state or files are kept. When there is none, nothing is issued or delivered: an effect's intent must be on disk before it."
        "Make room. The state itself is small; `audit.log` grows slowly and may be moved away after `keyturn audit --verify`."
    ClockUnsynced "KT-CLOCK-UNSYNCED" "nothing keeps the clock right"
        "The kernel says that the clock is not synchronised. Renewals, the ends of JWT keys and revocation lists go by it; a clock that runs away breaks them slowly and for all at once."
        "Run an NTP client: `timedatectl set-ntp true`, chrony or ntpd. In a container the host's counts."
    ClockOff "KT-CLOCK-OFF" "the clock differs from another's"
        "It is more than 5 s (a warning) or 60 s (a fault) from the time that an ACME CA or the Docker engine's host tells. A minute is what verifiers of JWTs usually forgive."
        "Compare both with a third clock, and correct the one that is wrong (`timedatectl`, `chronyc tracking`)."
    ConfigLoose "KT-CONFIG-LOOSE" "a file that Keyturn trusts is open to others"
        "Who may write the configuration has commands run as Keyturn's user: reloads, hooks. Who may read a file with a token or a key has that."
        "`chmod go-w` the configuration and what it is in; `chmod 0600` files with secrets, or hand them over as systemd credentials."
    ConfigOdd "KT-CONFIG-ODD" "something in the configuration is odd"
        "It is allowed, and probably not what was meant: a key without effect, a margin that is thin."
        "Read the message: it names the key and its line."
    ManagersFew "KT-SWARM-MANAGERS" "the Swarm does not outlive the loss of a manager"
        "More than half of the managers must be up, or no secret and no service can be changed. One or two managers outlive no loss at all; an even number no more than the odd one below it."
        "Have three managers, or five, in places that do not fail together: `docker node promote`."
    ManagerAway "KT-SWARM-MANAGER-AWAY" "a manager of the Swarm cannot be reached"
        "The Swarm works for as long as more than half of its managers are up."
        "`docker node ls`; bring it back, or `docker node demote` and `docker node rm` it, so that it is not counted."
    SwarmUnlocked "KT-SWARM-UNLOCKED" "secrets in the managers' raft logs lie beside the key to them"
        "Managers keep all secrets in an encrypted log on their disks, and its key beside it. With autolock that key is itself locked, and who gets a manager's disk or backup reads nothing. The price: a restarted manager waits for a person with the unlock key."
        "`docker swarm update --autolock=true`, and keep the unlock key where you keep the state key; or encrypt the managers' disks, and leave it as it is knowingly."
    SwarmRootEnding "KT-SWARM-CA-ENDING" "the Swarm's own CA ends soon"
        "The nodes of a Swarm know each other by certificates of the Swarm's own CA. A Swarm whose CA has ended cannot be repaired but by making it anew."
        "`docker swarm ca --rotate`: no task is restarted by that."
    ServiceHabit "KT-SERVICE-HABIT" "a service is set so that a turn-over hurts"
        "With these settings a rollout cuts connections, leaves a gap, or hides that it has failed. `plan` warns of the same."
        "Change the stack file as the message says (docs/swarm.md)."
    TlsUnreachable "KT-TLS-UNREACHABLE" "an address of `verify.connect` does not speak TLS"
        "Nothing answers there, or what answers is no TLS: neither can a delivery be proven there."
        "Is the server up, the port right, is it TLS from the first byte on? `openssl s_client -connect HOST:PORT -servername NAME` shows the same."
    TlsOldProtocol "KT-TLS-OLD-PROTOCOL" "the server still speaks SSL 3.0, TLS 1.0 or 1.1"
        "They are prohibited (RFC 7568, RFC 8996): their MACs and signatures are broken or nearly so, and who sits in between can bring clients down to them."
        "`ssl_protocols TLSv1.2 TLSv1.3;`, as `keyturn nginx-snippet` prints it. In NGINX the default server of an address decides for all."
    TlsNoTls13 "KT-TLS-NO-TLS13" "the server does not speak TLS 1.3"
        "TLS 1.3 needs one round trip less, encrypts the certificate, and has no weak suites."
        "`ssl_protocols TLSv1.2 TLSv1.3;`: NGINX 1.13 or newer with OpenSSL 1.1.1 or newer."
    TlsBrokenSuite "KT-TLS-BROKEN-SUITE" "the server accepts cipher suites that protect nothing"
        "RC4, DES, 3DES, export grades, no encryption at all, or no server authentication (RFC 9325, section 4.1; RFC 7465)."
        "Take `ssl_ciphers` as `keyturn nginx-snippet` prints it."
    TlsWeakSuite "KT-TLS-WEAK-SUITE" "the server accepts weak cipher suites"
        "CBC suites have been attacked again and again (BEAST, Lucky 13). Suites that encrypt to the certificate's key give all that was ever recorded to whoever gets that key one day."
        "Take `ssl_ciphers` as `keyturn nginx-snippet` prints it: ECDHE with AEAD only. Clients without these are older than 2014."
    TlsDhSmall "KT-TLS-DH-SMALL" "the DHE group is too small"
        "Groups of 1024 bits are within reach of states (Logjam); RFC 9325, section 4.1 wants 2048 at least."
        "Give the server a `dh_params` asset of 2048 bits or more, or leave DHE out, as Mozilla does."
    DhUnused "KT-DH-UNUSED" "DH parameters are delivered, and nothing uses them"
        "The server accepts no DHE suite: `ssl_dhparam` has no effect, and turning it over restarts a service for nothing. An ECDSA or Ed25519 certificate cannot be used with DHE at all."
        "Remove the `dh_params` target and `ssl_dhparam`; or, if clients need DHE, add DHE suites and an RSA certificate (docs/nginx.md)."
    DhNotOurs "KT-DH-NOT-OURS" "the server does DHE in a group that Keyturn does not turn over"
        "No `dh_params` asset goes there, or the server reads another file, or has not taken the new one up."
        "Point `ssl_dhparam` at the delivered file, or deliver one; or leave DHE out, as Mozilla does (docs/nginx.md)."
    TlsTickets "KT-TLS-TICKETS" "the server gives out session tickets under keys that nobody turns over"
        "Under TLS 1.2 a ticket's key opens the whole session, and NGINX keeps one for as long as it runs (1.23.2 and newer turn it over where the session cache is shared): forward secrecy ends there."
        "`ssl_session_tickets off;`, as Mozilla has it."
    TlsStaple "KT-TLS-STAPLE" "the certificate names an OCSP responder, and no response is stapled"
        "Each client then asks the CA by itself, or does not check. Where the certificate demands a staple (RFC 7633), it refuses the server. (Certificates without a responder, as Let's Encrypt issues them, need no staple.)"
        "`ssl_stapling on; ssl_stapling_verify on;` with `ssl_trusted_certificate` and a `resolver`, as `keyturn nginx-snippet` prints it."
    TlsHsts "KT-TLS-HSTS" "browsers are not told to come by TLS only"
        "Without `Strict-Transport-Security`, or with one of less than two years, a browser may be led to plain HTTP first (RFC 6797; Mozilla wants 63072000 s)."
        "`add_header Strict-Transport-Security \"max-age=63072000\" always;`, once all of the site works by TLS."
    TlsChain "KT-TLS-CHAIN" "clients may refuse what is served"
        "Intermediates are missing, the dates or the names do not fit, or no way leads to the root. Browsers often mend a missing intermediate; other clients do not."
        "Serve the part `fullchain`; the message says what does not fit."
    TlsOtherLeaf "KT-TLS-OTHER-LEAF" "another certificate is served than the one in use"
        "The server shows a certificate that is not the asset's active revision: it reads other files, it was not reloaded, or another server answers."
        "Compare the paths in the server's configuration with the target's `files`; reload it, or `keyturn rotate ASSET`."
}

impl Code {
    /// The code of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of thing.
    pub code: Code,
    /// What happened, with the names of what it happened to. Never a secret.
    pub message: String,
}

impl Problem {
    /// A problem with its story.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Problem {}
