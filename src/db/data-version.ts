import { one, type Script } from './database.ts'

const selectVersion = `
  select data_version || '.' || total_changes() as version from pragma_data_version`

/**
 * A text that is another one after every commit: `data_version` counts those of other connections, and
 * the changes those of this one. It takes 2 µs. The text says nothing about which commit is newer.
 */
export function* readDataVersion(): Script<string> {
  const { version } = yield* one<{ version: string }>(selectVersion)
  return version
}
