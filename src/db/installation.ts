import { run, type Script } from './database.ts'

const updateHistory = `update installation set history_id = ?, restored_at = ?`

/** Begins a new history of the restored database. `historyId` is 32 random hex digits; `now` in epoch ms. */
export function* beginHistory(historyId: string, now: number): Script<void> {
  yield* run(updateHistory, historyId, now)
}
