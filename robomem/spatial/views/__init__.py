"""The view memory: which keyframes saw a surface, and how well.

view_memory     keyframes in, questions answered                start here
queries         which views show a place, which share a pose's view; diversity says how unlike they are
surfel_index    the arrays: samples of every keyframe, in lists by cell of the map
sampling, lists, sight    the inner loops, compiled; layout.py says how everything lies in memory
"""

from robomem.spatial.views.values import CovisibleView, View, ViewRow
from robomem.spatial.views.view_memory import ViewMemory

__all__ = ["CovisibleView", "View", "ViewMemory", "ViewRow"]
