import { useQueryClient } from '@tanstack/react-query'
import { createContext, useContext, useEffect, useState } from 'react'
import { Gatherer, isBelow, touched } from './live'
import { type LiveNow, LiveStream } from './live-stream'

/** How often everything in sight is asked for while the stream is cut. */
const POLL_MILLISECONDS = 10_000
const NEVER: LiveNow = { state: 'connecting', heardAt: null }

export const LiveContext = createContext<LiveNow>(NEVER)

/** Whether what is on the page is of now: connected, or cut since when. */
export function useLive(): LiveNow {
  return useContext(LiveContext)
}

/** Keeps the answers fresh for as long as somebody is logged in; the shell runs it once. */
export function useLiveStream(): LiveNow {
  const queries = useQueryClient()
  const [now, setNow] = useState(NEVER)
  useEffect(() => {
    const gatherer = new Gatherer((paths) => {
      void queries.invalidateQueries({ predicate: ({ queryKey }) => isBelow(queryKey, paths) })
    })
    const stream = new LiveStream({
      event: (event) => gatherer.add(touched(event)),
      reset: () => void queries.invalidateQueries(),
      change: setNow,
    })
    stream.start()
    return () => {
      stream.stop()
      gatherer.stop()
    }
  }, [queries])
  const isCut = now.state === 'cut'
  useEffect(() => {
    if (!isCut) return
    const timer = setInterval(() => void queries.invalidateQueries(), POLL_MILLISECONDS)
    return () => clearInterval(timer)
  }, [isCut, queries])
  return now
}
