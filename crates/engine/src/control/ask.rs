//! The operator as the protocol sees it: one request, one answer.

use std::time::Duration;

use super::operator::{Asked, Operator};
use super::protocol::{Answer, Refusal, RefusalKind, Request};

/// The longest wait for a job that one call may ask for.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

impl Operator {
    /// Answers whatever is answered by one line: the whole protocol but for `follow`, `read` and `shutdown`.
    ///
    /// # Errors
    /// As the method for the request says.
    pub async fn ask(&self, request: Request) -> Asked<Answer> {
        let answer = self.answer(request).await;
        if answer.as_ref().is_err_and(|refusal| refusal.kind == RefusalKind::Store) {
            // The loop looks for itself whether the store is lost.
            self.handle().wake();
        }
        answer
    }

    async fn answer(&self, request: Request) -> Asked<Answer> {
        let made = |(job, new)| Answer::Made { job, new };
        let job = |view| Answer::Job(Box::new(view));
        Ok(match request {
            Request::Status => Answer::Status(Box::new(self.status().await?)),
            Request::Jobs(query) => Answer::Jobs(self.jobs(&query).await?),
            Request::Job { job: id } => job(self.job(id).await?),
            Request::Events { after, topic, limit } => {
                let page = self.events(after, super::server::filter(&topic)?, limit).await?;
                Answer::Events { events: page.events, seen: page.seen, pruned: page.pruned }
            }
            Request::Act { token, decoy, action, why, deadline } => {
                made(self.act(&token, &decoy, *action, &why, deadline).await?)
            }
            Request::Wait { job: id, limit_ms } => {
                job(self.wait(id, Duration::from_millis(limit_ms).min(WAIT_MAX)).await?)
            }
            Request::SyncAdd { rule, relative } => made(self.sync_add(&rule, relative.as_ref()).await?),
            Request::Verify { job: id } => job(self.verify(id).await?),
            Request::Audit { job } => Answer::Audited(Box::new(self.audit(job).await?)),
            Request::Retry { job: id } => job(self.retry(id).await?),
            Request::RetryAll(query) => self.retry_all(&query).await?,
            Request::Cancel { job: id } => job(self.cancel(id).await?),
            Request::Gate(decision) => job(self.decide_gate(&decision).await?),
            Request::Manifest { job, piece } => self.manifest(job, piece).await?,
            Request::Progress => Answer::Progress(self.progress()),
            Request::Plan { limit } => Answer::Plan(self.preview(limit)),
            Request::Ledger { decoy, frozen, after, limit } => {
                Answer::Ledger(self.ledger(&decoy, frozen, after.as_ref(), limit).await?)
            }
            Request::Release { decoy, path, decision } => {
                Answer::Ledger(self.release(&decoy, &path, decision).await?.into_iter().collect())
            }
            Request::Why { decoy, path } => Answer::Why(Box::new(self.why(&decoy, &path).await?)),
            Request::AcceptRoot { decoy } => Answer::Accepted { forgotten: self.accept_root(&decoy).await? },
            Request::Follow { .. } | Request::Read { .. } | Request::Shutdown => {
                return Err(Refusal::new(
                    RefusalKind::BadRequest,
                    "this is for the connection, not for the operator",
                ));
            }
        })
    }
}
