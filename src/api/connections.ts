import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Knows of every open connection which requests on it were accepted and are still to be answered. */
export interface Connections {
  /** Call it for every request that has arrived; false when it must not be served: nobody would be told. */
  serves(request: IncomingMessage, response: ServerResponse): boolean
  /** Closes those without a whole request waiting for its answer; Node keeps them as not idle. */
  closeUnaccepted(): void
  /** Closes those that have read nothing of what is owed to them since the last time. */
  closeStuck(): void
  /** Runs the task, once, when everything accepted is answered: at once, mostly. Nothing more is served. */
  endAfterAnswers(socket: Socket, end: () => void): void
}

interface Connection {
  /** Oldest first. */
  readonly unanswered: Set<ServerResponse>
  /** Something came that cannot be read, and what is behind it does not matter. */
  isEnding: boolean
  /** Bytes that had left for it when it was last looked at, if there was more to come. */
  leftBytes: number | undefined
}

export function trackConnections(server: Server): Connections {
  const open = new Map<Socket, Connection>()
  server.on('connection', (socket: Socket) => {
    open.set(socket, { unanswered: new Set(), isEnding: false, leftBytes: undefined })
    socket.once('close', () => open.delete(socket))
  })

  /** Or each idle connection would keep its last request and answer in memory: 14 kB. */
  function forget(this: ServerResponse): void {
    open.get(this.req.socket)?.unanswered.delete(this)
  }

  return {
    serves({ socket }, response) {
      const connection = open.get(socket)
      if (connection === undefined || connection.isEnding || !socket.writable) return false
      connection.unanswered.add(response)
      response.once('close', forget)
      return true
    },
    closeUnaccepted() {
      for (const [socket, connection] of open) {
        if (lastAccepted(connection) === undefined) socket.destroy()
      }
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

/** Something that was written, or the end of what we have ended. */
const owes = (socket: Socket): boolean => socket.writableLength > 0 || !socket.writable

const lastAccepted = ({ unanswered }: Connection): ServerResponse | undefined =>
  [...unanswered].findLast(isAccepted)

function isAccepted(response: ServerResponse): boolean {
  return response.req.complete && !response.writableFinished
}
