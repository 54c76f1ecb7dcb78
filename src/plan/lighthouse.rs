//! A step machine that puts a CVM image into Lighthouse or takes it out. [`LighthouseWork::see`]
//! takes the result of the last step, and [`LighthouseWork::next`] returns the next step. The
//! machine makes no call, does not sleep and reads no clock.

use crate::domain::{
    Action, BlueprintId, CloudError, CvmImageId, ErrorClass, Fault, Item, ItemResult, ResultCode,
    ResultKind,
};

use super::failure::{contradicted, failure, may_have_acted};
use super::readiness::Readiness;

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LighthouseStep {
    /// Ask `DescribeImagesToShare` whether the image can be shared.
    Precheck,
    /// Call `ModifyImageSharePermission`.
    Call,
    /// Look for the image's blueprint in `DescribeBlueprints`.
    Find,
    /// Wait before try `tries + 1`, because the last call or read failed, or because the two
    /// contradict each other.
    Wait {
        /// The number of tries so far.
        tries: u32,
        /// The class of the last error, or [`ErrorClass::Transient`] after a contradiction.
        class: ErrorClass,
    },
    /// No step is left. The result is complete.
    Finished,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LighthouseSeen {
    /// The precheck's result: `None` if the image can be shared, the reason if it cannot, or the
    /// error if the read failed.
    Prechecked(Result<Option<String>, CloudError>),
    /// The image cannot be shared in its current state, but the state will pass.
    NotReady(Readiness),
    /// The call's result: the blueprint (the API may return null) and the request id, or the error.
    Called(Result<(Option<BlueprintId>, Option<String>), CloudError>),
    /// The image's blueprint, if it has one, or why it could not be read.
    Found(Result<Option<BlueprintId>, CloudError>),
    /// The wait has ended.
    Waited,
}

/// The work for one CVM image.
#[derive(Debug)]
pub struct LighthouseWork {
    image: CvmImageId,
    action: Action,
    max_tries: u32,
    tries: u32,
    step: LighthouseStep,
    last: Option<CloudError>,
    /// The reason that `DescribeImagesToShare` returned if the image cannot be shared.
    unshareable: Option<String>,
    /// The result for an image whose state does not allow a share yet. It is used unless a read
    /// finds the image in Lighthouse.
    not_ready: Option<ResultKind>,
    /// Set if a call succeeded but its answer did not name the blueprint. Contains the cloud's
    /// request id, if the answer had one.
    effected: Option<Option<String>>,
    /// A call of this request may have been carried out, in this attempt or an earlier one. If the
    /// image is in Lighthouse, it therefore counts as put there by this request.
    maybe_done: bool,
    /// A call of this work got no clear answer. A read right after the call does not show whether
    /// the call was carried out, because the cloud may carry it out later.
    unclear: bool,
    result: Option<ItemResult>,
}

impl LighthouseWork {
    /// Creates the work for `image`. A share begins with the precheck. `maybe_done` is true if a
    /// call of an earlier attempt may have been carried out.
    pub fn new(image: CvmImageId, action: Action, maybe_done: bool, max_tries: u32) -> Self {
        let step = match action {
            Action::Share => LighthouseStep::Precheck,
            Action::Cancel => LighthouseStep::Call,
        };
        Self {
            image,
            action,
            max_tries,
            tries: 0,
            step,
            last: None,
            unshareable: None,
            not_ready: None,
            effected: None,
            maybe_done,
            unclear: false,
            result: None,
        }
    }

    /// Returns the next step.
    pub fn next(&self) -> LighthouseStep {
        self.step.clone()
    }

    /// Returns the result, or `None` before [`LighthouseStep::Finished`].
    pub fn result(&self) -> Option<&ItemResult> {
        self.result.as_ref()
    }

    /// Processes the result of the step that [`next`](Self::next) returned.
    pub fn see(&mut self, seen: LighthouseSeen) {
        match seen {
            // The precheck only avoids a call that must fail. If the precheck itself fails, make
            // the call.
            LighthouseSeen::Prechecked(Ok(None) | Err(_)) => self.step = LighthouseStep::Call,
            LighthouseSeen::Prechecked(Ok(Some(reason))) => {
                self.unshareable = Some(reason);
                self.step = LighthouseStep::Find;
            }
            LighthouseSeen::NotReady(readiness) => {
                self.not_ready = readiness.failure();
                self.step = LighthouseStep::Find;
            }
            LighthouseSeen::Called(Ok((blueprint, request_id))) => {
                self.called(blueprint, request_id)
            }
            LighthouseSeen::Called(Err(error)) => self.refused(error),
            LighthouseSeen::Found(found) => self.found(found),
            LighthouseSeen::Waited => {
                let as_wanted = |error: &CloudError| error.class == ErrorClass::AsWanted;
                let repeat = self.last.as_ref().is_some_and(as_wanted);
                self.step = if self.maybe_done && !repeat {
                    LighthouseStep::Find
                } else {
                    LighthouseStep::Call
                };
            }
        }
    }

    fn finish(&mut self, kind: ResultKind, request_id: Option<String>) {
        self.result = Some(self.ending(kind, request_id));
        self.step = LighthouseStep::Finished;
    }

    fn available(&mut self, blueprint: Option<BlueprintId>, request_id: Option<String>) {
        let already = !self.maybe_done;
        self.finish(ResultKind::Available { blueprint, already }, request_id);
    }

    /// Ends a cancel of an image that is not in Lighthouse.
    fn absent(&mut self, request_id: Option<String>) {
        let kind = match self.maybe_done {
            true => ResultKind::Cancelled,
            false => ResultKind::NotShared,
        };
        self.finish(kind, request_id);
    }

    fn ending(&self, kind: ResultKind, request_id: Option<String>) -> ItemResult {
        let item = Item::Lighthouse(self.image.clone());
        ItemResult::new(item, kind, request_id).in_doubt(self.unclear)
    }

    /// Returns the result to record if the time runs out before the next step.
    pub fn unfinished(&self) -> ItemResult {
        self.ending(ResultKind::Pending, None)
    }

    fn fail(&mut self, error: &CloudError, retryable: bool) {
        self.finish(failure(error, retryable), error.request_id.clone());
    }

    fn called(&mut self, blueprint: Option<BlueprintId>, request_id: Option<String>) {
        self.maybe_done = true;
        match (self.action, blueprint) {
            (Action::Cancel, _) => self.finish(ResultKind::Cancelled, request_id),
            (Action::Share, Some(id)) => self.available(Some(id), request_id),
            (Action::Share, None) => {
                self.effected = Some(request_id);
                self.step = LighthouseStep::Find;
            }
        }
    }

    fn refused(&mut self, error: CloudError) {
        self.tries += 1;
        self.last = Some(error.clone());
        match error.class {
            ErrorClass::AsWanted => self.step = LighthouseStep::Find,
            ErrorClass::Transient
            | ErrorClass::Busy
            | ErrorClass::Throttled
            | ErrorClass::NotSent
            | ErrorClass::Ambiguous => {
                self.maybe_done |= may_have_acted(error.class);
                self.unclear |= may_have_acted(error.class);
                self.step = match (self.tries < self.max_tries, self.maybe_done) {
                    (true, _) => LighthouseStep::Wait {
                        tries: self.tries,
                        class: error.class,
                    },
                    (false, true) => LighthouseStep::Find,
                    (false, false) => return self.fail(&error, true),
                };
            }
            ErrorClass::Account
            | ErrorClass::Quota
            | ErrorClass::Operator
            | ErrorClass::Refresh
            | ErrorClass::Clock
            | ErrorClass::Permanent
            | ErrorClass::Unlisted(_) => {
                self.fail(&error, error.class.fault() != Fault::Request);
            }
        }
    }

    /// Processes the result of [`LighthouseStep::Find`].
    fn found(&mut self, found: Result<Option<BlueprintId>, CloudError>) {
        if let Some(request_id) = self.effected.take() {
            // The share succeeded. The image is available even if the blueprint's id is unknown.
            return self.available(found.ok().flatten(), request_id);
        }
        if let (Some(kind), Err(_) | Ok(None)) = (self.not_ready.take(), &found) {
            // A call of an earlier attempt may have been carried out, and a read in this state does
            // not show whether it was.
            self.unclear |= self.maybe_done;
            return self.finish(kind, None);
        }
        let there = match found {
            Ok(there) => there,
            Err(error) => return self.unread(&error),
        };
        let request_id = self.last.as_ref().and_then(|e| e.request_id.clone());
        match (self.action, there) {
            (Action::Share, Some(id)) => self.available(Some(id), request_id),
            (Action::Cancel, None) => self.absent(request_id),
            _ => self.not_yet(),
        }
    }

    /// Handles a read-back that does not show the wanted state.
    fn not_yet(&mut self) {
        if let Some(reason) = self.unshareable.take() {
            // An earlier call may have put the image into Lighthouse. This may be why the image
            // cannot be shared now, although no blueprint names it yet. In that case, let the next
            // call decide.
            self.unclear |= self.maybe_done;
            if !self.maybe_done {
                return self.finish(not_shareable(&reason), None);
            }
        }
        match self.last.clone() {
            Some(error) if error.class == ErrorClass::AsWanted => match self.action {
                // The cloud says "already shared", but no blueprint names the image: the image is
                // available, and its blueprint is unknown.
                Action::Share => self.available(None, error.request_id),
                // The cloud says "not shared", but a blueprint names the image.
                Action::Cancel if self.tries >= self.max_tries => {
                    self.fail(&contradicted(error), true);
                }
                Action::Cancel => {
                    self.step = LighthouseStep::Wait {
                        tries: self.tries,
                        class: ErrorClass::Transient,
                    };
                }
            },
            Some(error) if self.tries >= self.max_tries => self.fail(&error, true),
            _ => self.step = LighthouseStep::Call,
        }
    }

    fn unread(&mut self, error: &CloudError) {
        if self.unshareable.take().is_some() {
            // The precheck refuses the image, and it is unknown whether the image is already in
            // Lighthouse. Let the call itself decide.
            self.step = LighthouseStep::Call;
            return;
        }
        match self.last.clone() {
            Some(last) if last.class == ErrorClass::AsWanted => match self.action {
                Action::Share => self.available(None, last.request_id),
                Action::Cancel => self.absent(last.request_id),
            },
            Some(last) if self.tries >= self.max_tries => self.fail(&last, true),
            // The call may have been carried out: read again before repeating it.
            Some(_) if self.maybe_done && error.class.passing() => {
                self.tries += 1;
                self.step = LighthouseStep::Wait {
                    tries: self.tries,
                    class: error.class,
                };
            }
            Some(_) => self.step = LighthouseStep::Call,
            None => self.fail(error, true),
        }
    }
}

/// Returns the result for an image that `DescribeImagesToShare` refuses. `reason` is empty if the
/// cloud gives no reason.
fn not_shareable(reason: &str) -> ResultKind {
    let why = match reason {
        "" => "and gives no reason".to_owned(),
        reason => format!("to Lighthouse: {reason}"),
    };
    let why = format!("DescribeImagesToShare says that the image cannot be shared {why}");
    ResultKind::failed(ResultCode::NotShareable, why, false)
}

#[cfg(test)]
#[path = "lighthouse_tests.rs"]
mod tests;
