import { useEffect, useState } from 'react'

/** The time, moving on every few seconds: for ages that grow while one looks. */
export function useNow(everyMilliseconds = 5000): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMilliseconds)
    return () => clearInterval(timer)
  }, [everyMilliseconds])
  return now
}
