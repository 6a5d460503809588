import { v7 } from 'uuid'

/** Makes a UUIDv7: sorts by time, so new rows land at the end of an index. */
export type NewId = () => string

export const newUuid: NewId = () => v7()
