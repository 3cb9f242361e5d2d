import { useEffect, useState } from "react";
import { testName } from "../api/client";

/** null until it is known. */
export function useTestName(testId: number | undefined): string | null {
  const [known, setKnown] = useState<{ id: number; name: string } | null>(null);
  useEffect(() => {
    if (testId === undefined) return;
    let gone = false;
    testName(testId).then(
      (name) => gone || setKnown({ id: testId, name }),
      () => gone || setKnown({ id: testId, name: `Test ${testId}` }),
    );
    return () => {
      gone = true;
    };
  }, [testId]);
  return known && known.id === testId ? known.name : null;
}
