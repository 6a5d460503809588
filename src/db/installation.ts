import { one, run, type Script } from './database.ts'

/** Which database this is, and which history its rows have. */
export interface Installation {
  /** Stays the same through every restore. */
  readonly id: string
  /** A restore renews it: rows that were made after the copy are not in this history. */
  readonly historyId: string
  /** Epoch ms; null when it was never restored. */
  readonly restoredAt: number | null
}

const selectInstallation = `
  select id, history_id as "historyId", restored_at as "restoredAt" from installation`

export function* readInstallation(): Script<Installation> {
  return yield* one<Installation>(selectInstallation)
}

const updateHistory = `update installation set history_id = ?, restored_at = ?`

/** Begins a new history. `historyId` is 32 random hex digits. */
export function* beginHistory(historyId: string, now: number): Script<void> {
  yield* run(updateHistory, historyId, now)
}
