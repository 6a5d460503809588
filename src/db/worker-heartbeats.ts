import { all, run, type Script } from './database.ts'

const upsertHeartbeat = `
  insert into worker_heartbeats (node_id, beats, seen_at) values (?, 1, ?)
  on conflict (node_id) do update set beats = worker_heartbeats.beats + 1, seen_at = excluded.seen_at`
const deleteOld = `delete from worker_heartbeats where seen_at < ?`
const keptMs = 86_400_000

/** Notes that a worker runs, and forgets those not seen for a day. `now` in epoch ms. */
export function* beatHeart(nodeId: string, now: number): Script<void> {
  yield* run(upsertHeartbeat, nodeId, now)
  yield* run(deleteOld, now - keptMs)
}

export interface WorkerHeartbeat {
  readonly nodeId: string
  /** Grows with every beat. */
  readonly beats: number
}

const selectHeartbeats = `select node_id as "nodeId", beats from worker_heartbeats`

export function* readHeartbeats(): Script<readonly WorkerHeartbeat[]> {
  return yield* all<WorkerHeartbeat>(selectHeartbeats)
}
