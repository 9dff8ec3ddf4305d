/** The part of jstat that is used; it ships without types. */
declare module 'jstat' {
  const jstat: {
    studentt: {
      /** the quantile of Student's t distribution */
      inv(probability: number, degreesOfFreedom: number): number;
    };
  };
  export default jstat;
}
