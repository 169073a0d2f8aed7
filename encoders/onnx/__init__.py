"""Text encoders on ONNX Runtime: export, int8, and running them."""
