import { first, run, type Script } from './database.ts'

/** Which events of the provider were heard, so that a repeated one costs nothing. */
const selectEvent = `select id from webhook_events where id = ?`

export function* isEventKnown(id: string): Script<boolean> {
  return (yield* first(selectEvent, id)) !== undefined
}

const insertEvent = `
  insert into webhook_events (id, received_at) values (?, ?) on conflict (id) do nothing`

/** Written after the event has had its effect: one that failed must be heard again. */
export function* rememberEvent(id: string, now: number): Script<void> {
  yield* run(insertEvent, id, now)
}

const forgetSql = `
  delete from webhook_events where id in (
    select id from webhook_events where received_at < ? order by received_at limit ?)`

export function* forgetEvents(before: number, limit: number): Script<void> {
  yield* run(forgetSql, before, limit)
}
