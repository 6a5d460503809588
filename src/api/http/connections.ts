import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Tracks the open connections and the accepted requests on each that are not answered yet. */
export interface Connections {
  /**
   * Call it for every request. It returns false when the request must not be served, because its
   * answer could not be sent.
   */
  serves(request: IncomingMessage, response: ServerResponse): boolean
  /** From now on the last answer of each connection says that it is the last, and closes it. */
  drain(): void
  /**
   * From now on nothing more is served, and a connection where nothing accepted waits is closed.
   */
  closeUnaccepted(): void
  /** Closes the connections that have read nothing of their answers since the last call. */
  closeStuck(): void
  /**
   * Runs the task once all accepted requests are answered, which is mostly at once. Later requests
   * are not served.
   */
  endAfterAnswers(socket: Socket, end: () => void): void
}

interface Connection {
  /** Oldest first. */
  readonly unanswered: Set<ServerResponse>
  newest: ServerResponse | undefined
  /** Something came that cannot be read, and what is behind it does not matter. */
  isEnding: boolean
  /** Bytes that had left for it when it was last looked at, if there was more to come. */
  leftBytes: number | undefined
}

export function trackConnections(server: Server): Connections {
  const open = new Map<Socket, Connection>()
  let phase: 'open' | 'draining' | 'closing' = 'open'
  server.on('connection', (socket: Socket) => {
    const nothingYet = { newest: undefined, isEnding: false, leftBytes: undefined }
    open.set(socket, { unanswered: new Set(), ...nothingYet })
    socket.once('close', () => open.delete(socket))
  })

  /**
   * The references are dropped; otherwise each idle connection keeps its last request and answer in
   * memory, 14 kB.
   */
  function forget(this: ServerResponse): void {
    const { socket } = this.req
    const connection = open.get(socket)
    if (connection === undefined) return
    connection.unanswered.delete(this)
    if (connection.newest === this) connection.newest = undefined
    if (phase === 'closing') closeUnlessAccepted(socket, connection)
  }

  return {
    serves({ socket }, response) {
      const connection = open.get(socket)
      if (connection === undefined || phase === 'closing') return false
      if (connection.isEnding || !socket.writable || closes(connection.newest)) return false
      if (phase === 'draining') {
        if (connection.newest !== undefined) connection.newest.shouldKeepAlive = true
        response.shouldKeepAlive = false
      }
      connection.unanswered.add(response)
      connection.newest = response
      response.once('close', forget)
      return true
    },
    drain() {
      phase = 'draining'
      for (const { newest } of open.values()) {
        if (newest?.headersSent === false) newest.shouldKeepAlive = false
      }
    },
    closeUnaccepted() {
      phase = 'closing'
      for (const [socket, connection] of open) closeUnlessAccepted(socket, connection)
    },
    closeStuck() {
      for (const [socket, connection] of open) {
        const leftBytes = owes(socket) ? socket.bytesWritten - socket.writableLength : undefined
        if (leftBytes !== undefined && leftBytes === connection.leftBytes) socket.destroy()
        connection.leftBytes = leftBytes
      }
    },
    endAfterAnswers(socket, end) {
      const connection = open.get(socket)
      if (connection === undefined) return
      // Node comes back with every chunk behind the first that it could not read.
      if (connection.isEnding) {
        if (!socket.writable) socket.destroy()
        return
      }
      connection.isEnding = true
      // Answers leave in the order of their requests, so the last one is the one to wait for.
      const last = lastAccepted(connection)
      if (last === undefined) end()
      else last.once('close', end)
    },
  }
}

/** Tells whether the answer says that it is the last on its connection. */
const closes = (response: ServerResponse | undefined): boolean =>
  response?.headersSent === true && !response.shouldKeepAlive

function closeUnlessAccepted(socket: Socket, connection: Connection): void {
  if (!hasAccepted(connection)) socket.destroy()
}

/** Something that was written, or the end of what we have ended. */
const owes = (socket: Socket): boolean => socket.writableLength > 0 || !socket.writable

/** The oldest is, mostly: to look at all, at each of thousands of answers, would take seconds. */
function hasAccepted({ unanswered }: Connection): boolean {
  for (const response of unanswered) if (isAccepted(response)) return true
  return false
}

const lastAccepted = ({ unanswered }: Connection): ServerResponse | undefined =>
  [...unanswered].findLast(isAccepted)

function isAccepted(response: ServerResponse): boolean {
  return response.req.complete && !response.writableFinished
}
