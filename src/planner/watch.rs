//! Is what was delivered still there, and is it shown to be served?

use super::rollout::{Due, assemble, parcel_of};
use super::{Context, Draft, Site};
use crate::model::{
    Action, Code, Content, Delivery, FileContent, Mount, Place, Problem, Proof, ProofAsk, Reference, Step,
    Update,
};

/// The files of `content` that the place does not show (any more).
pub(super) fn drift(context: &Context<'_>, site: &Site<'_>, content: &Content) -> Vec<String> {
    if let Place::Dir(dir) = &*site.place {
        let shown = context.shows(site.asset, &site.place, content);
        return if shown { Vec::new() } else { vec![dir.display().to_string()] };
    }
    let missing = |(path, file): &(&String, &FileContent)| {
        let named = reference(context, site, path, file);
        let object = context.object_beside(site.asset, file, named);
        !shows(named, file, object.and_then(|object| object.id.as_deref()))
    };
    content.files.iter().filter(missing).map(|(path, _)| path.clone()).collect()
}

/// What the service's spec has on the path of `file` today.
pub(super) fn reference<'a>(
    context: &Context<'a>,
    site: &Site<'_>,
    path: &str,
    file: &FileContent,
) -> Option<&'a Reference> {
    context.reference(site.service?, Mount::of(file.kind?, path))
}

/// Whether the service's reference is just what it should be: the object, and what the target says of the file.
pub(super) fn shows(have: Option<&Reference>, file: &FileContent, id: Option<&str>) -> bool {
    let Some(have) = have else { return false };
    let same = |wanted: &Option<String>, have: &str| wanted.as_ref().is_none_or(|wanted| wanted == have);
    file.kind == Some(have.kind)
        && id == Some(&have.id)
        && file.mode.is_none_or(|wanted| wanted == have.mode)
        && same(&file.owner, &have.uid)
        && same(&file.group, &have.gid)
}

/// What has been delivered is looked at: has someone changed it, and is it still to be proven? What a person has
/// changed is said, and left as it is until the next turn.
pub(super) fn consider(context: &Context<'_>, due: &Due<'_>, delivery: &Delivery, draft: &mut Draft) {
    let Some(service) = due.site.service else { return };
    let paths = drift(context, due.site, &due.wanted);
    if !paths.is_empty() {
        let message = format!("service {} no longer names our objects on {}", service.name, paths.join(", "));
        note(due, Some(Problem::new(Code::Drift, message)), draft);
        return;
    }
    note(due, None, draft);
    if delivery.proof != Some(Proof::Converged) || service.running == 0 || due.site.verify.is_none() {
        return;
    }
    let parcel = parcel_of(context, due, Vec::new());
    if parcel.proof == ProofAsk::Converged {
        return;
    }
    if !delivery.effort.may_try(context.now) {
        draft.wake(delivery.effort.next_try_at);
        return;
    }
    let rollout = assemble(context, &due.site.place, Some(service), vec![parcel], Vec::new());
    let reason = "delivered, but not yet shown to be served".to_owned();
    let assets = vec![due.spec.id.clone()];
    draft.push(Step { at: context.now, assets, action: Action::Verify(rollout), reason });
}

/// Keeps in mind what is wrong with a place: only when that changes.
pub(super) fn note(due: &Due<'_>, problem: Option<Problem>, draft: &mut Draft) {
    if due.delivery.and_then(|delivery| delivery.note.as_ref()) == problem.as_ref() {
        return;
    }
    let reason = problem.as_ref().map_or("it is gone".to_owned(), |problem| problem.message.clone());
    let action = Action::Note(due.spec.id.clone(), due.site.place.clone().into_owned(), problem);
    draft.push(Step { at: draft.plan.now, assets: vec![due.spec.id.clone()], action, reason });
}

/// A directory that does not answer is said, and that it does again.
pub(super) fn note_silent(context: &Context<'_>, due: &Due<'_>, draft: &mut Draft) {
    let silent = context.silent(&due.site.place);
    let noted = due.delivery.and_then(|delivery| delivery.note.as_ref());
    let was_silent = due.site.dir.is_some() && noted.is_some_and(|noted| noted.code == Code::FileFailed);
    if silent.is_some() || was_silent {
        note(due, silent.cloned(), draft);
    }
}

/// A service that was missing or busy is not any more.
pub(super) fn note_free(due: &Due<'_>, draft: &mut Draft) {
    let noted = due.delivery.and_then(|delivery| delivery.note.as_ref());
    let quiet = due.site.service.is_some_and(|service| service.update == Update::Quiet);
    if quiet && noted.is_some_and(|problem| matches!(problem.code, Code::ServiceMissing | Code::ServiceBusy))
    {
        note(due, None, draft);
    }
}
