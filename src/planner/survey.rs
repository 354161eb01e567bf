//! One look at each asset: what can be asked of it alone is asked in a row, while what is known of it is at hand.
//!
//! Nearly always an asset is at rest, and nothing of it is needed again. What is to be decided between assets (who is made
//! first, what goes together) is decided afterwards, of those that are not.

use std::collections::{HashMap, HashSet};

use super::health::Checkup;
use super::turn::Wish;
use super::{Context, Draft, compromise, crl, issuing, life, objects, revoking, rollout, turn};
use crate::desired::AssetSpec;
use crate::model::{AssetId, Mount, Place, Problem};

/// What one look at each asset has found, beside what is in the draft already.
#[derive(Default)]
pub(super) struct Survey<'a> {
    /// The assets that new revisions are due for.
    pub(super) due: Vec<(&'a AssetSpec, Vec<Wish>)>,
    /// Those that something is to be done for in one of their places, or to be said of it.
    pub(super) restless: Vec<&'a AssetSpec>,
    /// Those whose key in wrong hands has been replaced everywhere.
    pub(super) replaced: Vec<&'a AssetSpec>,
    /// The services in which two assets want the same path.
    pub(super) contested: HashSet<String>,
    /// Those that are at rest, and go to one of them: who is there stays.
    pub(super) contesting: Vec<&'a AssetSpec>,
    /// What is wrong.
    pub(super) problems: Vec<(AssetId, Problem)>,
}

impl<'a> Survey<'a> {
    /// Looks at all of them.
    pub(super) fn of(context: &mut Context<'a>, draft: &mut Draft) -> Self {
        let mut survey = Self::default();
        let mut claims = Claims::default();
        let checkup = Checkup::new(context.desired, context.inventory, context.now, context.seed);
        for at in 0..context.len() {
            let spec = context.turn_to(at);
            survey.questions(context, spec, draft);
            let say = &mut |problem| survey.problems.push((spec.id.clone(), problem));
            checkup.of_one(spec, context.known_record(&spec.id), say);
            claims.add(context, spec);
            if rollout::is_at_rest(context, spec, draft) {
                objects::consider_old(context, spec, true, draft);
                context.let_go(at);
            } else {
                survey.restless.push(spec);
            }
        }
        survey.contested = claims.contested;
        survey.contesting = survey.contesting(context);
        survey
    }

    fn questions(&mut self, context: &Context<'a>, spec: &'a AssetSpec, draft: &mut Draft) {
        let due = turn::due(context, spec, draft);
        crl::consider(context, spec, draft);
        if due.is_empty() {
            issuing::consult(context, spec, draft);
        } else {
            self.due.push((spec, due));
        }
        life::consider(context, spec, draft);
        revoking::consider(context, spec, draft);
        if compromise::is_replaced(context, spec) {
            self.replaced.push(spec);
        }
    }

    fn contesting(&self, context: &Context<'a>) -> Vec<&'a AssetSpec> {
        if self.contested.is_empty() {
            return Vec::new();
        }
        let restless: HashSet<&AssetId> = self.restless.iter().map(|spec| &spec.id).collect();
        let is_one = |spec: &&AssetSpec| {
            let mut services = context.sites(spec).iter().filter_map(|site| service(&site.place));
            !restless.contains(&spec.id) && services.any(|name| self.contested.contains(name))
        };
        context.desired.assets.values().filter(is_one).collect()
    }
}

fn service(place: &Place) -> Option<&str> {
    match place {
        Place::Service(name) => Some(name),
        Place::Dir(_) => None,
    }
}

/// The paths that are wanted in each service. What goes into a directory, the configuration keeps apart.
#[derive(Default)]
struct Claims<'a> {
    taken: HashMap<String, HashSet<Mount<'a>>>,
    contested: HashSet<String>,
}

impl<'a> Claims<'a> {
    fn add(&mut self, context: &Context<'a>, spec: &AssetSpec) {
        for site in context.sites(spec) {
            let Some(name) = service(&site.place) else { continue };
            if !self.taken.contains_key(name) {
                self.taken.insert(name.to_owned(), HashSet::new());
            }
            let Some(taken) = self.taken.get_mut(name) else { continue };
            if site.mounts().any(|mount| !taken.insert(mount)) {
                self.contested.insert(name.to_owned());
            }
        }
    }
}
