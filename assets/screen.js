export { default as RFB } from "@novnc/novnc";
