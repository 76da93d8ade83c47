"""Serve a policy: numpy and ONNX Runtime only, so that it runs where nothing was trained.

policy       a policy from its folder: select_action, predict_action_chunk, reset        start here
manifest     what the folder says of itself, and whether its files are those that were exported
graphs       ONNX Runtime sessions on what there is: TensorRT, CUDA, the CPU
senses       observations, checked
chunks       actions to come, by their time
safety       what stands between a policy and a robot
controller   the two together, for a robot that cannot wait
wire         messages of server and client
server       many clients, a memory for each
client       the same policy from another machine
"""
