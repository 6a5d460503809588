import { first, run, type Script } from './database.ts'

/** Finds a handled event of the provider, so that a repeated one is not handled again. */
const selectEvent = `select id from webhook_events where id = ?`

export function* isEventKnown(id: string): Script<boolean> {
  return (yield* first(selectEvent, id)) !== undefined
}

const insertEvent = `
  insert into webhook_events (id, received_at) values (?, ?) on conflict (id) do nothing`

/**
 * Remembers an event. Call it after the event's effect, because a failed one must be handled again.
 */
export function* rememberEvent(id: string, now: number): Script<void> {
  yield* run(insertEvent, id, now)
}

const forgetSql = `
  delete from webhook_events where id in (
    select id from webhook_events where received_at < ? order by received_at limit ?)`

export function* forgetEvents(before: number, limit: number): Script<void> {
  yield* run(forgetSql, before, limit)
}
