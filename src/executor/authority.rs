//! What CAs of our own make beside revisions: revocation lists.

use super::books::KEPT;
use super::{Executor, Fatal, Outcome};
use crate::failpoint;
use crate::model::{AssetId, Inventory, Issued, MakeCrl, Material, Problem, Secret};

/// An older edition is wanted by whoever has planned with it just before; two are kept.
const KEPT_EDITIONS: u32 = 2;

/// Where an edition of a CA's revocation lists is kept.
pub(super) fn crl_key(ca: &AssetId, edition: u32) -> String {
    format!("crl/{}/{edition}", ca.name)
}

/// Where the lists of those above a CA are kept, PEM, as a person has brought them.
pub fn upper_lists_key(ca: &AssetId) -> String {
    format!("crl/{}/upper", ca.name)
}

/// The record that it is in.
pub fn crl_record(ca: &AssetId, edition: u32) -> String {
    format!("{KEPT}{}", crl_key(ca, edition))
}

impl Executor {
    /// Makes one edition of a CA's revocation lists; what need not be listed after it is forgotten.
    pub(super) async fn list(&self, make: &MakeCrl, reason: &str) -> Outcome {
        let inventory = self.books.inventory().await;
        let issued: Vec<&Issued> = inventory.issued.values().filter(|one| one.ca == make.asset).collect();
        let now = self.books.now();
        let revoked: Vec<&Issued> = issued.iter().copied().filter(|one| one.revoked.is_some()).collect();
        let mut signed: Vec<(Material, Vec<&Issued>)> = Vec::new();
        for number in &make.revisions {
            let of = revoked.iter().copied().filter(|one| one.signed_by == *number).collect();
            if let Some(material) = self.books.material(&make.asset, *number).await? {
                signed.push((material, of));
            }
        }
        let listed = signed.iter().map(|(_, of)| of.len()).sum();
        let mut lists = match self.maker.revocation_lists(make, &signed, now) {
            Ok(lists) => lists,
            Err(problem) => {
                self.note_no_lists(make, &problem).await?;
                return Ok(Err(problem));
            }
        };
        if let Some(upper) = self.books.upper_lists(&make.asset).await {
            lists.push_str(upper.expose_str());
        }
        let (past, lasting): (Vec<&Issued>, Vec<&Issued>) =
            issued.into_iter().partition(|one| one.is_past(make.every, now));
        let new: Vec<Issued> = lasting
            .into_iter()
            .filter(|one| one.revoked.is_some() && !one.listed)
            .map(|one| Issued { listed: true, ..one.clone() })
            .collect();
        self.keep_lists(make, lists, (listed, new, &past[..]), reason).await?;
        failpoint::hit("crl-made");
        Ok(Ok(()))
    }

    /// That they could not be made is told until they are; the same once.
    async fn note_no_lists(&self, make: &MakeCrl, problem: &Problem) -> Result<(), Fatal> {
        let known = |inventory: &Inventory| inventory.record(&make.asset)?.crl_problem.clone();
        if self.books.look(known).await.as_ref() == Some(problem) {
            return Ok(());
        }
        self.books.edit(|edit| edit.asset(&make.asset).crl_problem = Some(problem.clone())).await
    }

    async fn keep_lists(
        &self,
        make: &MakeCrl,
        lists: String,
        (listed, new, past): (usize, Vec<Issued>, &[&Issued]),
        reason: &str,
    ) -> Result<(), Fatal> {
        let (edition, count) = (make.edition.to_string(), listed.to_string());
        let details = [("edition", edition.as_str()), ("listed", count.as_str()), ("reason", reason)];
        let event = self.audit_event("crl-made", &make.asset, None, &details);
        self.books
            .edit(|edit| {
                let now = edit.now;
                edit.asset(&make.asset).listed(make, listed, now);
                edit.keep(crl_key(&make.asset, make.edition), Some(Secret::new(lists)));
                if let Some(old) = make.edition.checked_sub(KEPT_EDITIONS).filter(|old| *old > 0) {
                    edit.keep(crl_key(&make.asset, old), None);
                }
                new.into_iter().for_each(|one| edit.put_issued(one));
                past.iter().for_each(|one| edit.forget_issued(one));
                edit.audit(event);
            })
            .await
    }
}
