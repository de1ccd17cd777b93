//! Schedules of EventBridge Scheduler.

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::FlexibleTimeWindowMode;
use chrono::{DateTime, TimeDelta, Utc};

use super::error::api_error;
use crate::vocabulary::api_error::ApiError;
use crate::vocabulary::schedule::Deployed;

/// The schedules of one group.
#[derive(Debug, Clone)]
pub struct ScheduleGroup {
    client: Client,
    name: String,
}

impl ScheduleGroup {
    pub(super) fn new(config: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(config), name: name.into() }
    }

    /// All schedules of the group, each whole: the list alone names neither its expression nor its input.
    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListSchedules.html>
    pub async fn schedules(&self) -> Result<Vec<Deployed>, ApiError> {
        let operation = format!("list the schedules of the group {}", self.name);
        let mut pages = self.client.list_schedules().group_name(&self.name).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| api_error(&operation, error))?;
            for name in page.schedules.into_iter().filter_map(|schedule| schedule.name) {
                found.push(self.schedule(&name).await?);
            }
        }
        Ok(found)
    }

    /// <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetSchedule.html>
    async fn schedule(&self, name: &str) -> Result<Deployed, ApiError> {
        let answer = self.client.get_schedule().group_name(&self.name).name(name).send().await;
        let answer = answer.map_err(|error| api_error(&format!("look at the schedule {}/{name}", self.name), error))?;
        Ok(deployed(name, answer))
    }
}

fn deployed(name: &str, answer: GetScheduleOutput) -> Deployed {
    let window = answer.flexible_time_window.filter(|window| window.mode == FlexibleTimeWindowMode::Flexible);
    let minutes = window.and_then(|window| window.maximum_window_in_minutes).unwrap_or_default();
    Deployed {
        name: name.into(),
        expression: answer.schedule_expression.unwrap_or_default(),
        time_zone: answer.schedule_expression_timezone.filter(|zone| !zone.is_empty()),
        state: answer.state.map(|state| state.as_str().into()).unwrap_or_default(),
        start: time(answer.start_date),
        end: time(answer.end_date),
        window: TimeDelta::minutes(minutes.into()),
        made: time(answer.creation_date),
        input: answer.target.and_then(|target| target.input).unwrap_or_default(),
    }
}

fn time(time: Option<aws_smithy_types::DateTime>) -> Option<DateTime<Utc>> {
    time.and_then(|time| DateTime::from_timestamp(time.secs(), time.subsec_nanos()))
}
